import pytest

from captioner.errors import OptionsError
from captioner.inference import Caption
from captioner.options import ShapeOptions
from captioner.outputs.shape import shaped, shaped_text


@pytest.mark.parametrize(
    ("text", "max_chars", "expected"),
    [
        ("a dog runs", 10, "a dog runs"),
        ("a dog runs", 9, "a dog"),
        ("a dog runs", 5, "a dog"),
        ("a dog runs", 4, "a"),
        ("extraordinary dog", 5, "extraordinary"),  # never inside a word, and never nothing
        ("a dog , a cat", 8, "a dog"),
        ("a dog (brown)", 8, "a dog"),
        ("两只狗在草地上", 3, "两只狗"),
        ("개 두 마리가 뛴다", 5, "개 두"),
    ],
)
def test_a_caption_is_cut_at_a_word(text, max_chars, expected):
    assert shaped_text(text, max_chars=max_chars) == expected


def test_prefix_and_suffix_count_as_characters():
    assert shaped_text("a dog runs", "photo: ", " (machine)", 22) == "photo: a dog (machine)"


def test_every_candidate_gets_the_shape():
    said = Caption("a dog runs", -1, 0.5, "m", (Caption("a dog runs", -1, 0.5, "m"), Caption("a cat", -2, 0.4, "m")))
    found = shaped(said, ShapeOptions(prefix="ohwx, ", max_chars=11))
    assert [found.text, *(each.text for each in found.candidates)] == ["ohwx, a dog", "ohwx, a dog", "ohwx, a cat"]


def test_a_length_that_was_asked_for_counts_more_than_that_of_the_place():
    said = Caption("a dog runs", -1, 0.5, "m")
    assert shaped(said, ShapeOptions(), max_chars=5).text == "a dog"
    assert shaped(said, ShapeOptions(max_chars=20), max_chars=5).text == "a dog runs"


@pytest.mark.parametrize(("least", "is_low"), [(None, False), (0.5, False), (0.51, True)])
def test_doubt_is_marked_and_drops_nothing(least, is_low):
    found = shaped(Caption("a dog", -1, 0.5, "m"), ShapeOptions(min_confidence=least))
    assert (found.text, found.low_confidence) == ("a dog", is_low)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": "a\nb"}, "prefix must be one line"),
        ({"suffix": "b\n"}, "suffix must be one line"),
        ({"max_chars": 0}, "max-chars must be more than the 0 characters"),
        ({"prefix": "abc", "suffix": "d", "max_chars": 4}, "more than the 4 characters of prefix and suffix, not 4"),
        ({"min_confidence": 1.5}, "min-confidence must be from 0 to 1"),
        ({"min_confidence": float("nan")}, "min-confidence must be from 0 to 1"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(options, message):
    with pytest.raises(OptionsError, match=message):
        ShapeOptions(**options)
