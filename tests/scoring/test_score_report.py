import json

import pytest

from captioner.datasets import Example
from captioner.metrics import score_captions
from captioner.options import BootstrapOptions
from captioner.scoring import describe_report, difference_report, score_report, tally_examples

EXAMPLES = [
    Example("dog.jpg", ("A dog runs on the grass.", "The brown dog is running!", "a dog outside"), "dev"),
    Example("men.jpg", ("Two men sit on a bench.", "Men on a bench, in the park"), "dev"),
    Example("girl.jpg", ("A girl climbs a red rock .",), "dev"),
]
CAPTIONS = ["A dog runs on the brown grass.", "two men on a bench", "A a a girl"]
OPTIONS = BootstrapOptions(resamples=500, seed=1)


def report_of(examples=EXAMPLES, captions=CAPTIONS):
    return score_report(examples, captions, tally_examples(examples, captions), OPTIONS)


def test_scores_and_counts_are_those_of_score_captions():
    report = report_of()
    expected = score_captions(
        dict(zip((e.image for e in EXAMPLES), CAPTIONS, strict=True)), {e.image: list(e.captions) for e in EXAMPLES}
    )
    assert expected.items() <= report.items()
    assert json.loads(json.dumps(report)) == report


def test_a_report_says_what_was_scored_and_how():
    report = report_of()
    assert report["references_per_photo"] == {"min": 1, "mean": 2.0, "max": 3}
    assert (report["split"], report["num_distinct_captions"]) == ("dev", 3)
    assert report["bootstrap"] == {
        "level": 0.95,
        "resamples": 500,
        "seed": 1,
        "of": "photos; CIDEr-D keeps the document frequencies of the references of all of them",
    }
    for name, (low, high) in report["intervals"].items():
        assert low <= report[name] <= high


def test_photos_of_several_splits_and_of_none_are_said_to_be():
    splits = ("dev", "test", None)
    examples = [Example(e.image, e.captions, split) for e, split in zip(EXAMPLES, splits, strict=True)]
    assert report_of(examples)["split"] is None
    assert report_of(examples[:2], CAPTIONS[:2])["split"] == "dev+test"


def test_chinese_references_are_scored_by_characters():
    examples = [Example("a.jpg", ("一个男人在跑步。",), None), Example("b.jpg", ("两只狗",), None)]
    report = report_of(examples, ["一个女人在跑步", "两只狗。"])
    assert (report["tokenizer"], report["bleu_1"]) == ("characters", pytest.approx(9 / 10))


def test_a_single_photo_has_intervals_that_are_points():
    report = report_of(EXAMPLES[:1], CAPTIONS[:1])
    assert report["cider"] == 0
    assert all(interval == pytest.approx([report[name]] * 2) for name, interval in report["intervals"].items())


def test_captions_without_words_and_without_overlap_score_0_for_certain():
    for captions in (["", "", ""], ["x", "y", "z"]):
        report = report_of(captions=captions)
        assert [report[name] for name in report["intervals"]] == pytest.approx([0] * 6, abs=1e-8)
        assert all(interval == pytest.approx([0, 0], abs=1e-8) for interval in report["intervals"].values())


def test_differences_come_with_plain_words():
    ours, theirs = tally_examples(EXAMPLES, CAPTIONS), tally_examples(EXAMPLES, ["", "", ""])
    for name, found in difference_report(ours, theirs, OPTIONS).items():
        assert found["difference"] == pytest.approx(ours.scores()[name], abs=1e-9)
        assert (found["p_value"], found["verdict"]) == (pytest.approx(2 / 501), "better beyond chance")
    assert difference_report(theirs, ours, OPTIONS)["cider"]["verdict"] == "worse beyond chance"
    assert {found["verdict"] for found in difference_report(ours, ours, OPTIONS).values()} == {"may be chance"}


def test_the_table_for_people():
    report = report_of() | {"intervals": {"bleu_4": [0.25, 0.75], "cider": [2.0, 4.0]}}
    assert describe_report(report) == (
        "split dev: 3 photos, 1 to 3 (mean 2.00) references a photo, tokenizer ptb;"
        " intervals of 95%, 500 resamples of photos\n"
        "bleu_4    0.5533   0.2500 to 0.7500\n"
        "cider     3.2274   2.0000 to 4.0000"
    )
    difference = {"difference": -0.5, "interval": [-0.75, 0.25], "p_value": 0.25, "verdict": "may be chance"}
    against = {"predictions": "other.jsonl", "differences": {"cider": difference}}
    assert describe_report(report | {"against": against}).splitlines()[3:] == [
        "less those of other.jsonl:",
        "cider    -0.5000   -0.7500 to +0.2500   p 0.250  may be chance",
    ]


def test_the_table_of_photos_of_no_split_with_as_many_references_each():
    examples = [Example(f"{n}.jpg", ("a dog", "one dog"), None) for n in range(2)]
    first_line = describe_report(report_of(examples, ["a dog", "a cat"])).splitlines()[0]
    assert first_line.startswith("2 photos, 2 references a photo, tokenizer ptb;")
