"""Photos in a mirror: what changes in their captions, which may be flipped, and that nothing else moves."""

import numpy as np
import pytest

from captioner.datasets import Example
from captioner.tokenizer import END_ID, SPECIAL_TOKENS, START_ID, UNK_ID, Tokenizer
from captioner.training.batches import TeacherForcing
from captioner.training.flips import FlippedLessons, can_be_flipped, mirrored, mirrored_ids

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


@pytest.fixture
def lessons():
    """Nine photos; rows 0-8 their features, 9-16 those of the first eight in a mirror, all filled with their row."""
    captions = ("a dog left of a right dog", "dog right")
    examples = [Example(f"{number}.jpg", captions, "train") for number in range(9)]
    features = np.broadcast_to(np.arange(17, dtype=np.float16)[:, None, None], (17, 2, 3))
    plain = TeacherForcing(examples, features, np.arange(9), TOKENIZER, max_tokens=20)

    def flipping(share):
        return FlippedLessons(plain, features, {f"{n}.jpg": 9 + n for n in range(8)}, PARTNERS, share)

    return plain, flipping


def test_a_flip_swaps_left_and_right_in_tokens_and_targets_and_nothing_else(lessons):
    plain, flipping = lessons
    left, right = TOKENIZER.id_of("left"), TOKENIZER.id_of("right")
    num_flipped = 0
    for before, after in zip(plain.epoch(4, 1, 1), flipping(0.5).epoch(4, 1, 1), strict=True):
        assert after.images == before.images
        np.testing.assert_array_equal(after.weights, before.weights)
        for photo, image in enumerate(before.images):
            row = int(image.removesuffix(".jpg"))
            is_flipped = after.features[photo, 0, 0] == 9 + row
            num_flipped += is_flipped
            assert (after.features[photo] == (9 + row if is_flipped else row)).all()
            for name in ("tokens", "targets"):
                old, new = getattr(before, name)[photo], getattr(after, name)[photo]
                swapped = np.where(old == left, right, np.where(old == right, left, old))
                np.testing.assert_array_equal(new, swapped if is_flipped else old)
        assert (after.tokens[..., 0] == START_ID).all() and (after.targets == END_ID).sum() == 2 * len(after.images)
    assert 0 < num_flipped < 8


def test_photos_without_a_mirror_are_never_flipped(lessons):
    _, flipping = lessons
    flipped = {
        image: f[0, 0] for b in flipping(1.0).epoch(4, 1, 1) for image, f in zip(b.images, b.features, strict=True)
    }
    assert flipped == {f"{n}.jpg": 9 + n for n in range(8)} | {"8.jpg": 8}


def test_what_is_flipped_does_not_hang_on_where_an_epoch_is_taken_up(lessons):
    _, flipping = lessons
    whole, rest = list(flipping(0.5).epoch(4, 1, 1)), list(flipping(0.5).epoch(4, 1, 1, first_step=1))
    for one, other in zip(whole[1:], rest, strict=True):
        for name in ("features", "tokens", "targets"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_epochs_flip_other_photos(lessons):
    _, flipping = lessons
    epochs = [
        {
            image: f[0, 0]
            for b in flipping(0.5).epoch(4, 1, epoch)
            for image, f in zip(b.images, b.features, strict=True)
        }
        for epoch in (1, 2)
    ]
    assert epochs[0] != epochs[1]
