"""Photos on their way into the feature cache."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from captioner.datasets.encoding import View, WaitingPhoto, encode_into, look_at
from captioner.datasets.features import FeatureCache, photo_stamp


@pytest.fixture
def cache_of(tmp_path):
    return lambda encoder: FeatureCache(tmp_path / "features", encoder.key, encoder.num_regions, encoder.depth)


@pytest.fixture
def waiting(tmp_path, make_photos):
    """Twenty photos, the seventh of them broken."""
    names = [f"{number:02}.png" for number in range(20)]
    make_photos(tmp_path, names)
    (tmp_path / names[6]).write_bytes(b"no photo")
    paths = [tmp_path / name for name in names]
    return [WaitingPhoto(path, photo_stamp(path), {path.name: View()}) for path in paths]


def test_photos_come_in_order_and_those_that_cannot_be_read_with_their_error(cache_of, waiting, fake_encoder):
    cache = cache_of(fake_encoder)
    done = list(encode_into(cache, waiting, fake_encoder(), threads=4))
    assert [photo for photo, _ in done] == waiting
    errors = {photo.path.name: str(error) for photo, error in done if error is not None}
    assert errors == {"06.png": f"{waiting[6].path}: not an image of a known format"}
    assert list(cache.rows) == [photo.path.name for photo in waiting if photo is not waiting[6]]
    assert list(cache.rows.values()) == list(range(19))


def test_a_photo_has_a_row_for_each_of_its_views(cache_of, fake_encoder, tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 200  # the left half is bright
    Image.fromarray(pixels).save(tmp_path / "halves.png")
    path = tmp_path / "halves.png"
    cache = cache_of(fake_encoder)
    views = {"halves.png": View(), "halves.png/flipped": View(is_flipped=True)}
    list(encode_into(cache, [WaitingPhoto(path, photo_stamp(path), views)], fake_encoder(), threads=1))
    features = cache.features()[:, :, 0].reshape(2, 2, 2)  # (views, height, width), of red
    plain, flipped = features[cache.rows["halves.png"]], features[cache.rows["halves.png/flipped"]]
    assert plain[0, 0] > plain[0, 1]
    np.testing.assert_array_equal(flipped, plain[:, ::-1])


def test_a_crop_is_cut_from_the_photo_before_it_is_squeezed(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, 32:] = np.indices((32, 32)).sum(axis=0)[..., None] * 4  # the upper right quarter slopes
    Image.fromarray(pixels).save(tmp_path / "slope.png")
    quarter = View((0.5, 0, 1, 0.5))
    photo = WaitingPhoto(tmp_path / "slope.png", [], {"a": quarter, "b": dataclasses.replace(quarter, is_flipped=True)})
    plain, flipped = look_at(photo, 16)
    expected = np.asarray(Image.fromarray(pixels[:32, 32:]).resize((16, 16), Image.Resampling.BICUBIC))
    assert plain.shape == (16, 16, 3) and plain.dtype == np.uint8
    assert np.abs(plain.astype(int) - expected)[1:-1, 1:-1].max() <= 4
    np.testing.assert_array_equal(flipped, plain[:, ::-1])


def test_what_was_written_before_a_break_is_kept(cache_of, waiting, fake_encoder):
    cache = cache_of(fake_encoder)
    with pytest.raises(KeyboardInterrupt):
        list(encode_into(cache, waiting[:5], fake_encoder(fail_after=3), threads=1))
    reopened = cache_of(fake_encoder)
    assert list(reopened.rows) == [photo.path.name for photo in waiting[:3]]
    assert all(reopened.is_fresh(photo.path.name, photo.stamp) for photo in waiting[:3])
