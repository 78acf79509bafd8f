"""The report of an evaluation, before a browser sees it."""

import base64
import hashlib
import html.parser
import json

import numpy as np
import pytest
from made_up_pages import made_up
from PIL import Image

from captioner.datasets import Example
from captioner.errors import CaptionerError
from captioner.inference import Caption, Replay
from captioner.metrics import sentence_scores
from captioner.outputs.report import pictures_of, report_content, write_page
from captioner.outputs.report.content import quantised
from captioner.scoring import tally_examples
from captioner.tokenizer import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer([*SPECIAL_TOKENS, "a", "dog", "cat", "runs", "sits", ",", "whale"])
EXAMPLES = [
    Example("one.jpg", ("A dog runs .", "the dog runs , and runs"), "dev"),
    Example("two.jpg", ("a cat sits", "a cat sits there"), "dev"),
]
SAID = [(4, 5, 7), (4, 6)]


def caption_of(tokens):
    return Caption(TOKENIZER.decode(tokens), -1.0, 0.5, "tiny", tokens=tokens)


def replay_of(tokens, num_regions=4):
    steps = len(tokens) + 1
    attention = None if num_regions is None else np.full((steps, num_regions), 1 / num_regions, np.float32)
    return Replay(np.log(np.linspace(0.5, 0.25, steps)), attention)


def content_of(num_regions=4):
    captions = [caption_of(tokens) for tokens in SAID]
    tally = tally_examples(EXAMPLES, [caption.text for caption in captions])
    replays = [replay_of(tokens, num_regions) for tokens in SAID]
    return report_content({"tokenizer": "ptb"}, EXAMPLES, captions, replays, tally, TOKENIZER), tally


def test_every_photo_has_its_words_references_and_scores():
    content, tally = content_of()
    first, second = content["photos"]
    assert first["words"] == ["a", " dog", " runs"] and second["words"] == ["a", " cat"]
    assert first["references"] == list(EXAMPLES[0].captions)
    assert len(first["probabilities"]) == 3 and first["probabilities"][0] == 0.5
    scores = sentence_scores(tally)
    assert content["sentence_scores"] == list(scores)
    for number, photo in enumerate(content["photos"]):
        assert photo["scores"] == pytest.approx([of_all[number] for of_all in scores.values()], abs=1e-4)


def test_words_never_said_come_with_how_often_people_say_them():
    vocabulary = content_of()[0]["vocabulary"]
    assert vocabulary == {"size": 6, "unused": [["sits", 2], ["whale", 0]]}  # a comma is no word


def test_lengths_are_counted_in_the_tokens_of_the_scores():
    assert content_of()[0]["lengths"] == {"captions": [0, 0, 1, 1], "references": [0, 0, 0, 2, 1, 1]}


@pytest.mark.parametrize(("num_regions", "grid"), [(4, 2), (100, 10), (6, None), (None, None)])
def test_attention_is_shown_where_the_regions_are_a_square(num_regions, grid):
    assert content_of(num_regions)[0]["grid"] == grid


def test_the_region_that_is_looked_at_most_is_255():
    attention = np.array([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3], [0.0, 0.0, 0.0]], np.float32)
    assert quantised(attention).tolist() == [[36, 73, 255], [255, 255, 255], [0, 0, 0]]
    assert quantised(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_pictures_are_small_jpegs_and_a_byte_for_each_word_and_region(tmp_path):
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 255, (300, 600, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    ((jpeg, attention),) = pictures_of([tmp_path / "photo.png"], [replay_of((4, 5), 9)])
    assert jpeg[:3] == b"\xff\xd8\xff" and len(jpeg) < 20_000
    assert attention == b"\xff" * 18


def test_a_photo_that_is_gone_or_broken_has_no_picture(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    paths = [tmp_path / "gone.jpg", tmp_path / "broken.jpg"]
    assert list(pictures_of(paths, [replay_of((4,), None)] * 2)) == [(b"", b"")] * 2


class Blocks(html.parser.HTMLParser):
    """The elements of a page that hold text alone, in order: tag, attributes, text."""

    CDATA_CONTENT_ELEMENTS = ("script", "style")

    def __init__(self, path):
        super().__init__()
        self.found, self.tags = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in self.CDATA_CONTENT_ELEMENTS:
            self.found.append([tag, dict(attributes), ""])

    def handle_data(self, data):
        if self.cdata_elem:
            self.found[-1][2] += data


NASTY = "</script><script>alert(1)</script><!-- \"quotes' & 개 한 마리 {{style}} \u2028"


def test_no_text_breaks_out_of_the_page(tmp_path):
    photos = [(NASTY, [NASTY], [NASTY, "plain"], [0.1, 0.2, 0.3])]
    write_page(tmp_path / "report.html", made_up(photos, model=NASTY), [(b"jpeg", b"\x01")])
    blocks = Blocks(tmp_path / "report.html").found
    content, picture = (
        [text for _, attributes, text in blocks if attributes.get("id") == name] for name in ("content", "picture-0")
    )
    assert json.loads(content[0]) == made_up(photos, model=NASTY)
    assert picture == ["anBlZw== AQ=="]
    assert len(blocks) == 4  # the style, the content, a picture, the script


def test_a_name_that_is_no_text_is_spelled_out(tmp_path):
    photos = [("bad\udcff.jpg", ["a"], ["b", "c"], [0.1, 0.2, 0.3])]
    write_page(tmp_path / "report.html", made_up(photos), [(b"", b"")])
    content = next(
        text for _, attributes, text in Blocks(tmp_path / "report.html").found if attributes.get("id") == "content"
    )
    assert json.loads(content)["photos"][0]["image"] == "bad\udcff.jpg"


def test_the_page_allows_its_own_style_and_script_and_nothing_else(tmp_path):
    write_page(tmp_path / "report.html", made_up([]), [])
    page = Blocks(tmp_path / "report.html")
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for _, attributes, text in page.found
        if "type" not in attributes
    ]
    assert policy == f"default-src 'none'; img-src data:; style-src {hashes[0]}; script-src {hashes[1]}"


def test_pictures_are_written_as_they_are_made(tmp_path):
    """What was written when the second picture is asked for lies on disk already."""
    sizes = []

    def pictures():
        for _ in range(3):
            yield b"x" * 200_000, b""
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))

    photos = [(f"{number}.jpg", ["a"], ["b", "c"], [0.1, 0.2, 0.3]) for number in range(3)]
    write_page(tmp_path / "report.html", made_up(photos), pictures())
    assert sizes == sorted(sizes) and sizes[0] > 200_000


def test_a_place_that_cannot_be_written_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=r"report.html: cannot be written \(No such file or directory\)"):
        write_page(tmp_path / "no" / "report.html", made_up([]), [])
