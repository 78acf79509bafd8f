"""Photos on their way into the feature cache."""

import dataclasses
import os
import threading

import numpy as np
import pytest
from PIL import Image

from captioner.datasets.encoding import View, WantedPhoto, encode_into, look_at
from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.quantization import Quantization


@pytest.fixture
def cache_of(tmp_path):
    return lambda encoder: FeatureCache(tmp_path / "features", encoder)


def silent(line):
    pytest.fail(f"waited: {line}")


@pytest.fixture
def wanted(tmp_path, make_photos):
    """Twenty photos, the seventh of them broken."""
    names = [f"{number:02}.png" for number in range(20)]
    make_photos(tmp_path, names)
    (tmp_path / names[6]).write_bytes(b"no photo")
    paths = [tmp_path / name for name in names]
    return [WantedPhoto(path, photo_stamp(path), {path.name: View()}) for path in paths]


def test_photos_come_in_order_and_those_that_cannot_be_read_with_their_error(cache_of, wanted, fake_encoder):
    cache = cache_of(fake_encoder)
    done = list(encode_into(cache, wanted, fake_encoder(), 4, silent))
    assert [photo for photo, _ in done] == wanted
    errors = {photo.path.name: str(error) for photo, error in done if error is not None}
    assert errors == {"06.png": f"{wanted[6].path}: not an image of a known format"}
    assert list(cache.rows) == [photo.path.name for photo in wanted if photo is not wanted[6]]
    assert list(cache.rows.values()) == list(range(19))


def test_a_photo_has_a_row_for_each_of_its_views(cache_of, fake_encoder, tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 200  # the left half is bright
    Image.fromarray(pixels).save(tmp_path / "halves.png")
    path = tmp_path / "halves.png"
    cache = cache_of(fake_encoder)
    views = {"halves.png": View(), "halves.png/flipped": View(is_flipped=True)}
    list(encode_into(cache, [WantedPhoto(path, photo_stamp(path), views)], fake_encoder(), 1, silent))
    features = cache.features()[:, :, 0].reshape(2, 2, 2)  # (views, height, width), of red
    plain, flipped = features[cache.rows["halves.png"]], features[cache.rows["halves.png/flipped"]]
    assert plain[0, 0] > plain[0, 1]
    np.testing.assert_array_equal(flipped, plain[:, ::-1])


def test_a_crop_is_cut_from_the_photo_before_it_is_squeezed(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, 32:] = np.indices((32, 32)).sum(axis=0)[..., None] * 4  # the upper right quarter slopes
    Image.fromarray(pixels).save(tmp_path / "slope.png")
    quarter = View((0.5, 0, 1, 0.5))
    photo = WantedPhoto(tmp_path / "slope.png", [], {"a": quarter, "b": dataclasses.replace(quarter, is_flipped=True)})
    plain, flipped = look_at(photo, 16)
    expected = np.asarray(Image.fromarray(pixels[:32, 32:]).resize((16, 16), Image.Resampling.BICUBIC))
    assert plain.shape == (16, 16, 3) and plain.dtype == np.uint8
    assert np.abs(plain.astype(int) - expected)[1:-1, 1:-1].max() <= 4
    np.testing.assert_array_equal(flipped, plain[:, ::-1])


def test_what_was_written_before_a_break_is_kept(cache_of, wanted, fake_encoder):
    cache = cache_of(fake_encoder)
    with pytest.raises(KeyboardInterrupt):
        list(encode_into(cache, wanted[:5], fake_encoder(fail_after=3), 1, silent))
    reopened = cache_of(fake_encoder)
    assert list(reopened.rows) == [photo.path.name for photo in wanted[:3]]
    assert all(reopened.is_fresh(photo.path.name, photo.stamp) for photo in wanted[:3])


def test_photos_that_are_there_come_first_and_are_not_encoded_again(cache_of, wanted, fake_encoder):
    cache = cache_of(fake_encoder)
    list(encode_into(cache, wanted[10:12], fake_encoder(), 1, silent))
    encoder = fake_encoder()
    done = [photo for photo, _ in encode_into(cache, wanted, encoder, 2, silent)]
    assert done == wanted[10:12] + wanted[:10] + wanted[12:]
    assert encoder.seen == 17 and len(cache.rows) == 19


def test_only_the_views_that_are_lacking_are_encoded(cache_of, wanted, fake_encoder):
    cache, photo = cache_of(fake_encoder), wanted[0]
    list(encode_into(cache, [photo], fake_encoder(), 1, silent))
    both = dataclasses.replace(photo, views={"00.png": View(), "00.png/flipped": View(is_flipped=True)})
    encoder = fake_encoder()
    list(encode_into(cache, [both], encoder, 1, silent))
    assert encoder.seen == 1 and cache.rows == {"00.png": 0, "00.png/flipped": 1}
    os.utime(photo.path, ns=(0, 0))
    changed = dataclasses.replace(both, stamp=photo_stamp(photo.path))
    list(encode_into(cache, [changed], encoder, 1, silent))
    assert encoder.seen == 3 and cache.rows == {"00.png": 2, "00.png/flipped": 3}


def test_photos_that_another_run_encodes_meanwhile_are_not_encoded_again(cache_of, wanted, fake_encoder):
    cache = cache_of(fake_encoder)
    list(encode_into(cache_of(fake_encoder), wanted, fake_encoder(), 1, silent))
    assert not cache.rows  # it was opened before
    encoder = fake_encoder()
    assert len(list(encode_into(cache, wanted, encoder, 1, silent))) == 20
    assert encoder.seen == 0 and len(cache.rows) == 19


def test_integers_of_the_encoder_are_kept_with_what_they_stand_for(cache_of, wanted, fake_encoder):
    class InIntegers(fake_encoder):
        quantization = Quantization(np.array([0.5, 1, 2], np.float32), zero_point=-128)

        def encode(self, images):
            return np.round(super().encode(images) * 200 - 128).astype(np.int8)

    encoder = InIntegers()
    cache = cache_of(encoder)
    list(encode_into(cache, wanted[:6], encoder, 1, silent))
    integers = np.concatenate([encoder.encode(np.stack(look_at(photo, 8))) for photo in wanted[:6]])
    np.testing.assert_array_equal(cache.features()[np.arange(6)], encoder.quantization.dequantize(integers))
    assert (cache.path / "rows.bin").read_bytes() == integers.tobytes()


def test_runs_that_encode_into_one_cache_at_the_same_time_keep_every_view_with_its_row(cache_of, wanted, fake_encoder):
    """As `captioner prepare` does beside `captioner train`, which looks at photos in a mirror."""
    photos = wanted[:6] + wanted[7:]  # but the broken one
    in_mirror = [
        dataclasses.replace(p, views=p.views | {f"{p.path.name}/flipped": View((0, 0, 1, 1), True)}) for p in photos
    ]
    encoders = [fake_encoder() for _ in range(3)]

    def encode(photos, encoder):
        list(encode_into(cache_of(encoder), photos, encoder, 2, lambda line: None))

    runs = zip((photos, in_mirror, photos[::-1]), encoders, strict=True)
    threads = [threading.Thread(target=encode, args=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(encoder.seen for encoder in encoders) == 2 * len(photos)
    cache = cache_of(fake_encoder)
    for photo in in_mirror:
        images = np.stack(look_at(photo, 8))
        found = cache.features()[np.array([cache.rows[name] for name in photo.views])]
        np.testing.assert_array_equal(found, fake_encoder().encode(images).astype(np.float16))
    assert len(cache.rows) == cache.features().shape[0] == 2 * len(photos)
