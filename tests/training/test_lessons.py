"""Photos seen in several ways: what changes in their captions, how often, and that nothing else moves."""

import numpy as np
import pytest

from captioner.datasets import Example
from captioner.tokenizer import END_ID, SPECIAL_TOKENS, START_ID, Tokenizer
from captioner.training.batches import TeacherForcing
from captioner.training.flips import mirrored_ids
from captioner.training.lessons import SeenView, Views, ViewSampler

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "dog", "left", "right", "of"))
PARTNERS = mirrored_ids(TOKENIZER)


@pytest.fixture
def lessons():
    """Nine photos; rows 0-8 their features, 9-16 those of the first eight in a mirror, all filled with their row."""
    captions = ("a dog left of a right dog", "dog right")
    examples = [Example(f"{number}.jpg", captions, "train") for number in range(9)]
    features = np.broadcast_to(np.arange(17, dtype=np.float32)[:, None, None], (17, 2, 3))
    views = {f"{n}.jpg": Views(flipped=SeenView(9 + n, True)) for n in range(8)}

    def seen(sampler):
        return TeacherForcing(examples, features, np.arange(9), TOKENIZER, max_tokens=20, views=sampler)

    return seen(None), lambda share: seen(ViewSampler(views, PARTNERS, share))


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


@pytest.fixture
def cropped():
    """400 photos in one epoch of steps of 4: row 0 a whole photo, 1 in a mirror, 2 and 3 crops, the second flipped."""
    examples = [Example(f"{number}.jpg", ("dog left",), "train") for number in range(400)]
    features = np.broadcast_to(np.arange(4, dtype=np.float32)[:, None, None], (4, 2, 3))
    views = Views(SeenView(1, True), (SeenView(2, False), SeenView(3, True)))
    sampler = ViewSampler({example.image: views for example in examples}, PARTNERS, 0.5)
    return TeacherForcing(examples, features, np.zeros(400, int), TOKENIZER, max_tokens=20, views=sampler)


def test_half_of_the_photos_are_seen_cropped_and_each_crop_as_often(cropped):
    rows = np.concatenate([batch.features[:, 0, 0] for batch in cropped.epoch(4, 1, 1)]).astype(int)
    np.testing.assert_allclose(np.bincount(rows) / len(rows), [0.25] * 4, atol=0.07)


def test_captions_of_a_crop_are_mirrored_where_the_crop_is(cropped):
    for batch in cropped.epoch(4, 1, 1):
        for features, targets in zip(batch.features, batch.targets, strict=True):
            word = "right" if features[0, 0] in (1, 3) else "left"
            assert targets[0, :2].tolist() == TOKENIZER.encode(f"dog {word}")
