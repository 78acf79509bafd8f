"""Batches: P photos with C captions each; the shift from what was said to what comes next."""

from collections import Counter

import numpy as np
import pytest

from captioner.datasets import Example
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer
from captioner.training.batches import TeacherForcing

WORDS = "a b c d e f g h"
TOKENIZER = Tokenizer.learn([WORDS], min_count=1)


def ids(text):
    return TOKENIZER.encode(text)


def lessons(*photos, max_tokens=10, features=None, rows=None):
    """photos: the captions of each."""
    examples = [Example(f"{number}.jpg", tuple(captions), "train") for number, captions in enumerate(photos)]
    if features is None:
        features = np.arange(len(photos) * 6, dtype=np.float32).reshape(len(photos), 2, 3)
    rows = np.arange(len(photos)) if rows is None else np.array(rows)
    return TeacherForcing(examples, features, rows, TOKENIZER, max_tokens)


def only_batch(lessons, batch_size=8):
    (batch,) = lessons.epoch(batch_size, seed=0, epoch=1)
    return batch


def many(count):
    """`count` photos with two captions of one to eight words."""
    words = WORDS.split()
    return lessons(*(["a b", " ".join(words[: 1 + number % 8])] for number in range(count)))


def test_targets_are_tokens_one_step_later():
    batch = only_batch(lessons(["a b c"]))
    assert batch.tokens.tolist() == [[[START_ID, *ids("a b c")]]]
    assert batch.targets.tolist() == [[[*ids("a b c"), END_ID]]]
    assert batch.weights.tolist() == [[[1, 1, 1, 1]]]


def test_short_and_missing_captions_are_padded_and_weigh_nothing():
    batch = only_batch(lessons(["a b", "c"], ["d"]))
    order = np.argsort(batch.features[:, 0, 0])  # the photos come in any order
    assert batch.targets[order].tolist() == [
        [[*ids("a b"), END_ID], [*ids("c"), END_ID, PAD_ID]],
        [[*ids("d"), END_ID, PAD_ID], [PAD_ID, PAD_ID, PAD_ID]],
    ]
    assert batch.tokens[order].tolist() == [
        [[START_ID, *ids("a b")], [START_ID, *ids("c"), PAD_ID]],
        [[START_ID, *ids("d"), PAD_ID], [PAD_ID, PAD_ID, PAD_ID]],
    ]
    assert batch.weights[order].tolist() == [[[1, 1, 1], [1, 1, 0]], [[1, 1, 0], [0, 0, 0]]]


def test_a_caption_that_is_cut_does_not_learn_to_stop_there():
    batch = only_batch(lessons(["a b c d e"], max_tokens=3))
    assert batch.tokens.tolist() == [[[START_ID, *ids("a b")]]]
    assert batch.targets.tolist() == [[ids("a b c")]]


def test_a_caption_that_just_fits_keeps_its_end():
    assert only_batch(lessons(["a b"], max_tokens=3)).targets.tolist() == [[[*ids("a b"), END_ID]]]


def test_words_out_of_the_vocabulary_become_unk():
    assert only_batch(lessons(["a zebra"])).targets.tolist() == [[[*ids("a"), UNK_ID, END_ID]]]


def test_arrays_have_the_promised_types_and_shapes():
    batch = only_batch(many(7))
    assert (batch.features.dtype, batch.features.shape) == (np.float32, (7, 2, 3))
    assert (batch.tokens.dtype, batch.targets.dtype, batch.weights.dtype) == (np.int32, np.int32, np.float32)
    assert batch.tokens.shape == batch.targets.shape == batch.weights.shape == (7, 2, 8)


def test_every_photo_keeps_its_own_features_wherever_their_row_is():
    features = np.array([[[30]], [[10]], [[99]], [[20]]], np.float32)
    batches = lessons(["a"], ["b"], ["c"], features=features, rows=[1, 3, 0]).epoch(1, seed=3, epoch=1)
    seen = {TOKENIZER.decode(batch.targets[0, 0]): float(batch.features[0, 0, 0]) for batch in batches}
    assert seen == {"a": 10, "b": 20, "c": 30}


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 300])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_every_photo_comes_once_an_epoch_in_as_many_steps_as_announced(count, batch_size):
    lessons = many(count)
    batches = list(lessons.epoch(batch_size, seed=0, epoch=1))
    assert len(batches) == lessons.num_steps(batch_size)
    seen = [int(value) for batch in batches for value in batch.features[:, 0, 0]]
    assert sorted(seen) == [6 * number for number in range(count)]
    assert max(len(batch.features) for batch in batches) <= batch_size


def photos_in_order(lessons, seed, epoch):
    return [int(value) for batch in lessons.epoch(4, seed, epoch) for value in batch.features[:, 0, 0]]


def test_the_order_depends_on_the_seed_and_the_epoch_alone():
    lessons = many(40)
    first = photos_in_order(lessons, seed=1, epoch=1)
    second = photos_in_order(lessons, seed=1, epoch=2)
    assert first == photos_in_order(many(40), seed=1, epoch=1)
    assert len({tuple(order) for order in (first, second, photos_in_order(lessons, seed=2, epoch=1))}) == 3


def test_photos_with_captions_of_like_length_share_a_step():
    padded = [1 - batch.weights[:, 1].mean() for batch in many(256).epoch(8, seed=0, epoch=1)]
    assert np.mean(padded) < 0.15


def test_captions_are_counted():
    assert lessons(["a", "b"], ["c"]).num_captions == 3


def dropped(share, epoch=1):
    """The batches of an epoch with word dropout, and those of the same epoch without."""
    lessons = many(200)
    return [list(lessons.epoch(8, 0, epoch, word_dropout=dropout)) for dropout in (share, 0.0)]


def test_word_dropout_changes_what_is_heard_and_never_what_is_to_be_said():
    for heard, whole in zip(*dropped(0.3), strict=True):
        np.testing.assert_array_equal(heard.targets, whole.targets)
        np.testing.assert_array_equal(heard.weights, whole.weights)
        np.testing.assert_array_equal(heard.features, whole.features)
        is_changed = heard.tokens != whole.tokens
        assert (heard.tokens[is_changed] == UNK_ID).all()
        assert (whole.tokens[is_changed] > UNK_ID).all()  # neither <start> nor padding is ever dropped


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_word_dropout_drops_its_share_of_the_words(share):
    heard, whole = (np.concatenate([b.tokens.ravel() for b in batches]) for batches in dropped(share))
    assert np.mean(heard[whole > UNK_ID] == UNK_ID) == pytest.approx(share, abs=0.06)


def test_word_dropout_is_the_same_whenever_the_epoch_is_repeated():
    for first, second in zip(dropped(0.3)[0], dropped(0.3)[0], strict=True):
        np.testing.assert_array_equal(first.tokens, second.tokens)
    assert any(
        (a.tokens.shape != b.tokens.shape) or (a.tokens != b.tokens).any()
        for a, b in zip(dropped(0.3)[0], dropped(0.3, epoch=2)[0], strict=True)
    )


@pytest.mark.parametrize("first_step", [0, 1, 40, 74, 75])
def test_an_epoch_gone_on_with_gives_just_the_batches_that_are_left(first_step):
    lessons = many(300)
    whole = list(lessons.epoch(4, 0, 1, word_dropout=0.3))
    rest = list(lessons.epoch(4, 0, 1, word_dropout=0.3, first_step=first_step))
    assert len(rest) == 75 - first_step
    for ours, theirs in zip(rest, whole[first_step:], strict=True):
        assert ours.images == theirs.images
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        np.testing.assert_array_equal(ours.targets, theirs.targets)
        np.testing.assert_array_equal(ours.features, theirs.features)


def test_a_batch_names_its_photos_in_the_order_of_its_rows():
    for batch in many(20).epoch(8, seed=0, epoch=1):
        assert batch.images == tuple(f"{int(value) // 6}.jpg" for value in batch.features[:, 0, 0])


# sources, and how often each is seen


def mixed(source_weights, sizes=(("flickr8k", 20), ("own", 10), ("rare", 6))):
    """Photos of several sources, such as "own/3.jpg"."""
    examples = [
        Example(f"{source}/{number}.jpg", ("a b",), "train", source)
        for source, count in sizes
        for number in range(count)
    ]
    features, rows = np.zeros((len(examples), 2, 3), np.float32), np.arange(len(examples))
    return TeacherForcing(examples, features, rows, TOKENIZER, 10, source_weights=source_weights)


def images_of(lessons, epoch=1):
    return [image for batch in lessons.epoch(4, 0, epoch) for image in batch.images]


def times_seen(lessons, source, epoch=1):
    """By photo of the source."""
    return Counter(image for image in images_of(lessons, epoch) if image.startswith(f"{source}/"))


def test_photos_of_a_source_are_seen_as_often_as_its_weight_says():
    lessons = mixed({"flickr8k": 0.5, "rare": 2.5})
    halved, rare = times_seen(lessons, "flickr8k"), times_seen(lessons, "rare")
    assert len(halved) == halved.total() == 10
    assert times_seen(lessons, "own") == {f"own/{number}.jpg": 1 for number in range(10)}
    assert sorted(rare.values()) == [2, 2, 2, 3, 3, 3]


def test_a_weighted_epoch_has_as_many_steps_as_announced():
    lessons = mixed({"flickr8k": 0.5, "rare": 2.5})
    assert lessons.num_photos == len(images_of(lessons)) == 10 + 10 + 15
    assert len(list(lessons.epoch(4, 0, 1))) == lessons.num_steps(4) == 9


def test_photos_of_a_source_seen_in_part_change_with_the_epoch():
    lessons = mixed({"flickr8k": 0.5, "rare": 2.5})
    for source in ("flickr8k", "rare"):
        assert times_seen(lessons, source, epoch=1) != times_seen(lessons, source, epoch=2)
    ever = set().union(*(times_seen(lessons, "flickr8k", epoch) for epoch in range(1, 13)))
    assert len(ever) == 20


@pytest.mark.parametrize("first_step", [1, 5, 9])
def test_a_weighted_epoch_gone_on_with_gives_just_the_photos_that_are_left(first_step):
    weights = {"flickr8k": 0.5, "rare": 2.5}
    whole, rest = (list(mixed(weights).epoch(4, 0, 3, first_step=step)) for step in (0, first_step))
    assert [batch.images for batch in rest] == [batch.images for batch in whole[first_step:]]


def test_a_weight_of_one_is_no_weight():
    assert images_of(mixed({"own": 1.0})) == images_of(mixed({}))


def test_of_a_source_seen_hardly_ever_an_epoch_has_a_photo():
    lessons = mixed({"flickr8k": 0.001, "own": 0.002, "rare": 0.003})
    assert sorted(image.split("/")[0] for image in images_of(lessons)) == ["flickr8k", "own", "rare"]


@pytest.mark.parametrize(("evenness", "expected"), [(0.0, [1, 1, 1]), (0.5, [1, 2**-0.5, 0.5]), (1.0, [1, 0.5, 0.25])])
def test_captions_of_a_photo_with_many_weigh_less_with_evenness(evenness, expected):
    captions = (("a b",), ("a b", "c"), ("a b", "c", "d e", "f"))
    examples = [Example(f"{number}.jpg", texts, "train") for number, texts in enumerate(captions)]
    features = np.arange(3, dtype=np.float32).reshape(3, 1, 1)
    lessons = TeacherForcing(examples, features, np.arange(3), TOKENIZER, 10, evenness=evenness)
    batch = only_batch(lessons)
    weights = batch.weights[np.argsort(batch.features[:, 0, 0])]
    for photo, texts in enumerate(captions):
        for caption, text in enumerate(texts):
            num_tokens = len(ids(text)) + 1
            np.testing.assert_allclose(weights[photo, caption, :num_tokens], expected[photo])
            assert not weights[photo, caption, num_tokens:].any()
        assert not weights[photo, len(texts) :].any()
