"""Captions of photos in a mirror: which words change places, and of which photos it can be said."""

import pytest

from captioner.datasets import Example
from captioner.tokenizer import SPECIAL_TOKENS, UNK_ID, Tokenizer
from captioner.training.flips import can_be_flipped, mirrored, mirrored_ids

WORDS = ("a", "dog", "left", "right", "of", "Links", "rechts", "droit", "gauche", "droite", "leftmost", "左", "右")
TOKENIZER = Tokenizer((*SPECIAL_TOKENS, *WORDS))
PARTNERS = mirrored_ids(TOKENIZER)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("left", "right"),
        ("Right", "left"),
        ("left-hand", "right-hand"),
        ("dog", "dog"),
        ("linken", "rechten"),
        ("gauche", "droite"),
        ("droit", ""),
        ("izquierda", "derecha"),
        ("왼쪽에", "오른쪽에"),
        ("오른손으로", "왼손으로"),
        ("左", "右"),
    ],
)
def test_words_for_left_and_right_change_places(token, expected):
    assert mirrored(token) == expected


def test_partners_are_found_in_whatever_case_and_missing_ones_are_unknown():
    names = {word: PARTNERS[TOKENIZER.id_of(word)] for word in WORDS}
    assert names["left"] == TOKENIZER.id_of("right") and names["Links"] == TOKENIZER.id_of("rechts")
    assert names["leftmost"] == names["droit"] == UNK_ID
    assert names["dog"] == TOKENIZER.id_of("dog")
    assert list(PARTNERS[: len(SPECIAL_TOKENS)]) == list(range(len(SPECIAL_TOKENS)))


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (("a dog left of a dog",), True),
        (("a zebra on a dog",), True),  # what the vocabulary lacks is unknown in a mirror, too
        (("a dog", "a leftmost dog"), False),
        (("un dog droit",), False),
    ],
)
def test_a_photo_is_flipped_only_if_all_its_captions_can_be(captions, expected):
    assert can_be_flipped(Example("a.jpg", captions, "train"), TOKENIZER, PARTNERS) is expected
