"""Pictures of what a network says while it learns."""

import dataclasses
import os

import numpy as np
import pytest
from PIL import Image

from captioner.errors import CaptionerError
from captioner.outputs.samples import Sample, draw_attention, draw_samples, few_of, shaded

GREEN = np.full((120, 160, 3), (60, 160, 70), np.uint8)
SAMPLE = Sample(
    "dev/one.jpg",
    GREEN,
    ("A dog runs .", "a dog is running over a field"),
    ((1, "a"), (2, "a dog")),
    ("a", " dog"),
    np.array([[1, 0, 0, 0], [0, 0, 0, 1]], np.float32),
)


def drawn(tmp_path, *samples):
    draw_samples(samples, tmp_path / "samples.png")
    assert os.listdir(tmp_path) == ["samples.png"]
    with Image.open(tmp_path / "samples.png") as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_photo_is_a_row_and_several_are_below_each_other(tmp_path):
    one, two = drawn(tmp_path, SAMPLE), drawn(tmp_path, SAMPLE, SAMPLE)
    np.testing.assert_array_equal(two, np.concatenate([one, one]))
    assert (one == (60, 160, 70)).all(axis=-1).sum() >= 120 * 160


def test_more_is_said_in_more_lines(tmp_path):
    long = dataclasses.replace(SAMPLE, references=("a dog and " * 40,) * 3)
    assert len(drawn(tmp_path, long)) > len(drawn(tmp_path, SAMPLE)) + 100


@pytest.mark.parametrize("attention", [None, np.ones((2, 6), np.float32)], ids=["none", "not a square"])
def test_without_a_map_of_attention_there_are_no_tiles(tmp_path, attention):
    plain = dataclasses.replace(SAMPLE, attention=attention)
    assert not plain.has_map
    assert len(drawn(tmp_path, plain)) < len(drawn(tmp_path, SAMPLE)) - 50


def test_a_caption_without_a_word_is_drawn(tmp_path):
    silent = dataclasses.replace(SAMPLE, history=((1, ""),), words=(), attention=np.zeros((0, 4), np.float32))
    assert len(drawn(tmp_path, silent)) > 120


def test_many_words_go_on_in_further_lines():
    words = tuple(f" word{number}" for number in range(21))
    many = dataclasses.replace(SAMPLE, words=words, attention=np.ones((21, 4), np.float32))
    few, more = draw_attention(SAMPLE), draw_attention(many)
    assert few.dtype == np.uint8 and few.shape[1:] == more.shape[1:]
    assert len(more) > 2.5 * len(few)


def test_each_word_s_tile_is_bright_where_it_looked():
    for attention, corner in zip(SAMPLE.attention, ((0, 0), (-1, -1)), strict=True):
        tile = shaded(GREEN, attention.reshape(2, 2)).astype(int)
        np.testing.assert_array_equal(tile[corner], GREEN[0, 0])
        assert tile[-1 - corner[0], -1 - corner[1], 1] == pytest.approx(0.3 * 160, abs=1)


def test_no_attention_at_all_is_dark_and_no_error():
    assert shaded(GREEN, np.zeros((2, 2), np.float32)).max() <= 0.3 * 160


@pytest.mark.parametrize(("count", "kept"), [(1, [0]), (6, [0, 1, 2, 3, 4, 5]), (40, [0, 8, 16, 23, 31, 39])])
def test_of_many_epochs_the_first_the_last_and_some_between_are_shown(count, kept):
    assert few_of(range(count)) == kept


def test_a_place_that_cannot_be_written_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=r"samples.png: cannot be written \(No such file or directory\)"):
        draw_samples([SAMPLE], tmp_path / "no" / "samples.png")
