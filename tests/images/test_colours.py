"""Whatever the mode and the colour space of a picture: sRGB on white."""

import io
import struct
import threading

import numpy as np
import pytest
from made_up_files import (
    chunk,
    encoded,
    grey_profile,
    ink_profile,
    png_of,
    rgb_profile,
    scene,
    tiff_of,
)
from PIL import Image, ImageCms

from captioner.images import read_image, read_thumbnail

SIZE = 32
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_of(content):
    """The level of a picture of one grey."""
    square = read_image(content, SIZE)
    assert (square == square[0, 0, 0]).all()
    return int(square[0, 0, 0])


def as_before(image, raw=None):
    """What pictures became before profiles and strips: models learned from these pixels."""
    if raw is not None:
        image = Image.open(raw)
        image.draft("RGB", (2 * SIZE, 2 * SIZE))
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, reducing_gap=3.0))


# plain sRGB


@pytest.mark.parametrize("shape", [(40, 30), (1000, 700), (701, 503), (3000, 20), (20, 3001)])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBA", "LA", "RGBX", "HSV"])
def test_plain_pictures_have_exactly_the_pixels_that_models_learned_from(mode, shape, monkeypatch):
    monkeypatch.setattr("captioner.images.reading._STRIP_PIXELS", 50_000)
    image = scene(*shape).convert("RGB")
    if mode in ("RGBA", "LA"):
        image.putalpha(image.getchannel(1))
    image = image.convert(mode)
    assert np.array_equal(read_image(image, SIZE), as_before(image))


@pytest.mark.parametrize("profile", [b"", SRGB], ids=["none", "sRGB"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_plain_files_have_exactly_the_pixels_that_models_learned_from(image_format, profile, tmp_path):
    path = tmp_path / "photo"
    scene(700, 500).save(path, image_format, **({"icc_profile": profile} if profile else {}))
    assert np.array_equal(read_image(path, SIZE), as_before(None, raw=path))


# profiles


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("primaries", "gamma"), [("adobe", 2.2), ("prophoto", 1.8)])
def test_colours_of_another_space_are_those_that_its_profile_means(primaries, gamma, image_format):
    profile = rgb_profile(primaries, gamma)
    plain = Image.new("RGB", (64, 64), (180, 120, 90))
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGB", "RGB"
    )
    stored = ImageCms.applyTransform(plain, transform)
    settings = {"quality": 95} if image_format in ("JPEG", "WEBP") else {}
    content = encoded(stored, image_format, icc_profile=profile, **settings)
    assert np.abs(read_image(content, SIZE).astype(int) - (180, 120, 90)).max() <= 4
    assert np.abs(np.asarray(stored, int) - np.asarray(plain)).max() > 15
    assert np.abs(np.asarray(read_thumbnail(content, 20)).astype(int) - (180, 120, 90)).max() <= 4


def test_a_profile_that_is_srgb_in_all_but_its_bytes_changes_nothing():
    curve = b"curv" + bytes(4) + struct.pack(">I", 256)
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    curve += (linear * 65535).round().astype(">u2").tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("made_up_files.gamma_curve", lambda gamma: curve)
        profile = rgb_profile("srgb", 2.4)
    assert np.array_equal(read_image(encoded(scene(), "PNG", icc_profile=profile), SIZE), read_image(scene(), SIZE))


def test_a_name_alone_makes_no_profile_srgb():
    profile = rgb_profile("adobe", 2.2).replace(b"adobe\0", b"sRGB\0\0")
    assert not np.array_equal(read_image(encoded(scene(), "PNG", icc_profile=profile), SIZE), read_image(scene(), SIZE))


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_picture_has_the_greys_that_its_profile_means(mode):
    level = 128 * 257 if mode == "I;16" else 128
    image = Image.new(mode, (9, 9), (level, 255) if mode == "LA" else level)
    linear = encoded(image, "PNG", icc_profile=grey_profile(1.0))
    assert grey_of(linear) == pytest.approx(188, abs=1)  # of the light, a half
    assert grey_of(encoded(image, "PNG")) == pytest.approx(128, abs=1)


def test_a_grey_picture_may_have_the_profile_of_colours():
    content = encoded(Image.new("L", (9, 9), 128), "PNG", icc_profile=rgb_profile("srgb", 1.0))
    assert grey_of(content) == pytest.approx(188, abs=2)


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_inks_have_the_colours_that_their_profile_means(image_format):
    content = encoded(Image.new("CMYK", (64, 64), (255, 0, 0, 0)), image_format, icc_profile=ink_profile())
    red, green, blue = read_image(content, SIZE)[0, 0].tolist()
    assert max(red, green, blue) - min(red, green, blue) <= 6 and 150 < green < 220  # cyan is grey on this press


def test_transparent_parts_are_white_in_every_colour_space():
    image = Image.new("RGBA", (9, 9), (10, 200, 30, 0))
    content = encoded(image, "PNG", icc_profile=rgb_profile("prophoto", 1.8))
    assert (read_image(content, SIZE) >= 254).all()


@pytest.mark.parametrize(
    "profile",
    [b"no profile", b"\0" * 200, rgb_profile("adobe", 2.2)[:200], grey_profile(1.0), ink_profile(), b"x" * 5_000_000],
    ids=["text", "zeros", "cut short", "of greys", "of inks", "vast"],
)
def test_a_profile_that_does_not_fit_changes_nothing(profile):
    image = Image.new("RGB", (9, 9), (180, 120, 90))
    image.info["icc_profile"] = profile
    assert np.array_equal(read_image(image, SIZE), read_image(Image.new("RGB", (9, 9), (180, 120, 90)), SIZE))


def test_many_threads_convert_by_one_profile_as_one_does():
    contents = [encoded(Image.new("RGB", (64, 64), (n * 8, 255 - n * 8, 90)), "PNG",
                        icc_profile=rgb_profile("adobe", 2.2)) for n in range(24)]  # fmt: skip
    alone, together = [read_image(content, SIZE) for content in contents], {}
    threads = [
        threading.Thread(target=lambda n=n: together.update({n: read_image(contents[n], SIZE)})) for n in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[n], alone[n]) for n in range(24))


# deep greys


def packed(level, bits, count):
    """Numbers of so many bits, one behind the other."""
    return int(format(level, f"0{bits}b") * count, 2).to_bytes(bits * count // 8, "big")


@pytest.mark.parametrize(("level", "grey"), [(4095, 255), (2048, 127), (100, 6), (0, 0)])
def test_twelve_bit_tiff_is_scaled_by_its_twelve_bits(level, grey):
    assert grey_of(tiff_of(8, 8, 12, 1, packed(level, 12, 64))) == grey


@pytest.mark.parametrize(("photometric", "grey"), [(1, 51), (0, 204)])
@pytest.mark.parametrize("bits", [8, 16])
def test_white_may_be_zero_at_every_depth(bits, photometric, grey):
    pixels = (51).to_bytes(1, "little") * (bits // 8) * 64
    assert grey_of(tiff_of(8, 8, bits, photometric, pixels)) == grey


@pytest.mark.parametrize("level", [100_000, 2**31 - 1])
def test_more_than_sixteen_bits_are_scaled_by_the_brightest(level):
    levels = np.full((8, 8), level // 2, np.int32)
    levels[0, 0] = level
    square = read_image(encoded(Image.fromarray(levels), "TIFF"), SIZE)
    assert square[-1, -1].tolist() == [127] * 3


@pytest.mark.parametrize(("level", "grey"), [(65535, 255), (32768, 127), (200, 0)])
def test_a_sixteen_bit_pgm_is_scaled_by_its_bits_however_dark(level, grey):
    assert grey_of(b"P5 8 8 65535\n" + struct.pack(">H", level) * 64) == grey


# holes


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("hole", [0, 1])
def test_the_transparent_grey_of_a_png_is_white_at_every_depth(bits, hole):
    rows = (b"\0" + packed(hole, bits, 8)) * 8
    content = png_of(8, 8, bits, 0, rows, chunk(b"tRNS", struct.pack(">H", hole)))
    assert grey_of(content) == 255
    if hole == 0:
        assert grey_of(png_of(8, 8, bits, 0, rows)) == 0
        assert grey_of(png_of(8, 8, bits, 0, rows, chunk(b"tRNS", b"\0\1"))) == 0


@pytest.mark.parametrize("bits", [8, 16])
def test_the_transparent_colour_of_a_png_is_white_at_every_depth(bits):
    colour = struct.pack(">HHH", *([7, 99, 200] if bits == 8 else [300, 99, 60_000]))
    pixel = colour if bits == 16 else colour[1::2]
    content = png_of(8, 8, bits, 2, (b"\0" + pixel * 8) * 8, chunk(b"tRNS", colour))
    assert grey_of(content) == 255


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA",
                                  "RGBX", "RGBa", "La", "I;16", "I;16L", "I;16B", "I;16N"])  # fmt: skip
@pytest.mark.parametrize("shape", [(11, 7), (1, 900), (700, 300)])
def test_every_mode_of_pillow_in_every_shape_is_read(mode, shape):
    assert read_image(Image.new(mode, shape), SIZE).shape == (SIZE, SIZE, 3)
