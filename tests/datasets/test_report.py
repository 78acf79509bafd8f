import json

import pytest

from captioner.datasets import Annotations, Example, NamedSource, Problem
from captioner.datasets.mixing import Mix
from captioner.datasets.report import check, describe, report_lines
from captioner.options import PrepareOptions
from captioner.tokenizer import Tokenizer

EXAMPLES = [
    Example("a.jpg", ("a dog runs .", "a dog runs .", "the dog"), "train"),
    Example("b.jpg", ("a cat", " ".join(["dog"] * 24)), "train"),
    Example("c.jpg", ("a cаt sleeps",), "dev"),  # its second a is Cyrillic
]
PROBLEMS = [
    Problem("missing photo", "gone.jpg"),
    Problem("corrupt photo", "broken.jpg", "cut short"),
    Problem("no caption", "silent.jpg", lost=False),
    Problem("empty caption", "x.csv, line 7", "a.jpg", lost=False),
    Problem("broken line", "x.csv, line 8"),
]


def test_photos_captions_and_tokens_are_counted():
    report = describe(EXAMPLES, [], [])
    assert (report["photos"], report["captions"], report["tokens"]) == (3, 6, 3 + 3 + 2 + 2 + 24 + 3)
    assert report["splits"] == {"train": {"photos": 2, "captions": 5}, "dev": {"photos": 1, "captions": 1}}
    assert report["captions_per_photo"] == {"min": 1, "mean": 2.0, "max": 3}
    assert report["tokens_per_caption"] == {"min": 2, "mean": 6.17, "max": 24}
    assert report["lengths"] == {"2": 2, "3": 3, "24": 1}


def test_the_vocabulary_is_that_of_the_tokenizer_at_every_min_count():
    captions = [caption for example in EXAMPLES if example.split == "train" for caption in example.captions]
    rows = describe(EXAMPLES, [], [])["vocabulary"]
    assert [row["min_count"] for row in rows] == [1, 2, 3, 5, 10]
    assert [row["size"] for row in rows] == [len(Tokenizer.learn(captions, row["min_count"])) for row in rows]
    assert [row["covered"] for row in rows] == [1.0, round(32 / 34, 6), round(30 / 34, 6), *[round(27 / 34, 6)] * 2]


def test_what_is_odd_is_named():
    report = describe(EXAMPLES, PROBLEMS, [["a.jpg", "b.jpg"], ["a.jpg", "c.jpg"]])
    assert report["missing_photos"] == ["gone.jpg"] and report["corrupt_photos"] == ["broken.jpg"]
    assert report["photos_without_caption"] == ["silent.jpg"]
    assert report["empty_captions"] == ["empty caption: x.csv, line 7 (a.jpg)"]
    assert report["repeated_captions"] == [{"image": "a.jpg", "caption": "a dog runs ."}]
    assert [entry["image"] for entry in report["overlong_captions"]] == ["b.jpg"]
    assert report["captions_of_several_scripts"] == [{"image": "c.jpg", "caption": "a cаt sleeps"}]
    assert report["copies"] == [["a.jpg", "b.jpg"], ["a.jpg", "c.jpg"]]
    assert report["split_leaks"] == [[{"image": "a.jpg", "split": "train"}, {"image": "c.jpg", "split": "dev"}]]
    assert report["problems"]["broken line"] == 1
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("caption", "is_mixed"),
    [
        ("a dog, 2 cats & a café №5 ½", False),
        ("개가 뛴다 3!", False),
        ("犬が公園でボールを追いかけるー", False),
        ("собака бежит", False),
        ("ＡＢＣ dog", False),
        ("穿着T恤的男人", True),
        ("a собака", True),
        ("개 dog", True),
    ],
)
def test_scripts_that_are_written_together_are_one(caption, is_mixed):
    report = describe([Example("a.jpg", (caption,), "train")], [], [])
    assert bool(report["captions_of_several_scripts"]) == is_mixed


def test_the_report_as_text():
    assert report_lines(describe(EXAMPLES, PROBLEMS, [["a.jpg", "c.jpg"]])) == [
        "photos      3 (train 2, dev 1)",
        "captions    6, 1 to 3 a photo, 2.0 on average",
        "tokens      37, 2 to 24 a caption, 6.17 on average",
        "",
        "tokens a caption",
        "        1-2          2   ###########################",
        "        3-4          3   ########################################",
        *[f"{f'{first}-{first + 1}':>11}          0" for first in range(5, 23, 2)],
        "23 and more          1   #############",
        "",
        "--min-count   vocabulary   covers",
        "          1            9   100.00%",
        "          2            7   94.12%",
        "          3            6   88.24%",
        "          5            5   79.41%",
        "         10            5   79.41%",
        "",
        "missing photos: 1",
        "  gone.jpg",
        "",
        "corrupt photos: 1",
        "  broken.jpg",
        "",
        "photos without a caption: 1",
        "  silent.jpg",
        "",
        "empty captions: 1",
        "  empty caption: x.csv, line 7 (a.jpg)",
        "",
        "captions a photo has twice: 1",
        "  a.jpg: a dog runs .",
        "",
        "captions over 23 tokens, which training cuts: 1",
        "  b.jpg: " + " ".join(["dog"] * 24),
        "",
        "captions in several scripts: 1",
        "  c.jpg: a cаt sleeps",
        "",
        "photos that are the same file: 1",
        "  a.jpg = c.jpg",
        "",
        "photos in two splits: 1",
        "  a.jpg (train) = c.jpg (dev)",
    ]


def test_sources_are_told_apart_where_there_are_several():
    examples = [
        Example("a/1.jpg", ("a dog", "the dog"), "train", "a"),
        Example("a/2.jpg", ("a dog",), "test", "a"),
        Example("b/1.jpg", ("a cat",), "train", "b"),
    ]
    report = describe(examples, [], [])
    assert report["sources"] == {
        "a": {"train": {"photos": 1, "captions": 2}, "test": {"photos": 1, "captions": 1}},
        "b": {"train": {"photos": 1, "captions": 1}},
    }
    assert report_lines(report)[:4] == [
        "photos      3 (train 2, test 1)",
        "  a: 2 photos (train 1, test 1), 3 captions",
        "  b: 1 photos (train 1), 1 captions",
        "captions    4, 1 to 2 a photo, 1.33 on average",
    ]
    assert describe(EXAMPLES, [], [])["sources"] == {}


def test_of_very_many_the_first_are_named_and_the_rest_counted():
    problems = [Problem("missing photo", f"{number}.jpg") for number in range(1030)]
    lines = report_lines(describe(EXAMPLES[2:], problems, []))
    first = lines.index("missing photos: 1,030")
    assert lines[first + 1] == "  0.jpg" and lines[first + 20 : first + 22] == ["  19.jpg", "  and 1,010 more"]


def test_captions_without_a_token_and_no_captions_at_all_can_be_reported():
    assert report_lines(describe([Example("a.jpg", (".",), "train")], [], []))
    assert report_lines(describe([], [], []))


def test_a_check_reads_every_photo_to_its_end_and_draws_splits(tmp_path, make_photos):
    names = [f"{number}.png" for number in range(10)]
    make_photos(tmp_path, names)
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:-30])
    (tmp_path / "4.png").unlink()
    (tmp_path / "5.png").write_bytes((tmp_path / "6.png").read_bytes())
    annotations = Annotations(tmp_path, [Example(name, ("a dog",), None) for name in names])
    told = []
    mix = Mix.of([NamedSource("photos", tmp_path, "sidecar", annotations)])
    report, problems = check(mix, PrepareOptions(seed=3), 2, lambda *counts: told.append(counts))
    assert [(p.kind, p.where) for p in problems] == [("corrupt photo", "3.png"), ("missing photo", "4.png")]
    assert report["photos"] == 8 and sum(counts["photos"] for counts in report["splits"].values()) == 8
    assert report["copies"] == [["5.png", "6.png"]] and report["split_leaks"] == []
    assert told[0] == (0, 10) and told[-1] == (10, 10)
