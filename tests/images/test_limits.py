"""No photo costs more than photos do, whatever its file says."""

import struct
import threading

import numpy as np
import pytest
from made_up_files import (
    declared_larger,
    encoded,
    png_of,
    scan_bomb,
    scene,
    tiff_of,
    with_segment,
)
from PIL import Image, ImageFile

from captioner.errors import ImageError
from captioner.images import check_num_pixels, limits, read_image, read_images

SIZE = 32


def message_of(content, size=SIZE):
    with pytest.raises(ImageError) as caught:
        read_image(content, size)
    return str(caught.value)


@pytest.fixture
def undecoded(monkeypatch):
    """Nothing may be decoded."""
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("it was decoded"))


# scans


@pytest.mark.parametrize("size", [32, 4000])
def test_scans_without_number_are_refused_before_they_are_decoded_at_whatever_scale(undecoded, size):
    assert message_of(scan_bomb(8000, 8000, 8000), size) == "image: a JPEG of more than 300 scans, which no photo has"


def test_few_scans_of_very_many_pixels_are_refused(undecoded):
    assert message_of(scan_bomb(8000, 8000, 250)) == "image: 8000 x 8000 pixels in 251 scans, more than a photo takes"


def test_scans_behind_a_long_head_are_counted(undecoded):
    content = scan_bomb(8000, 8000, 8000)
    for _ in range(20):
        content = with_segment(content, 0xE9, bytes(65_000))
    assert "300 scans" in message_of(content)


def test_scans_of_a_picture_that_is_not_progressive_are_counted_too(undecoded):
    """Where the first scan lacks a layer, all that follow are decoded."""
    jpeg = encoded(scene(), "JPEG")
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00"
    head = jpeg[: jpeg.index(b"\xff\xda")]
    assert "300 scans" in message_of(head + scan * 400 + b"\xff\xd9")


def test_a_few_hundred_scans_of_a_small_picture_are_decoded():
    assert read_image(scan_bomb(1100, 1100, 250), SIZE).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("settings", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_scans_that_programs_write_are_decoded(mode, settings):
    plain = read_image(scene().convert(mode), SIZE)
    jpeg = encoded(scene().convert(mode), "JPEG", quality=95, **settings)
    assert np.abs(read_image(jpeg, SIZE).astype(int) - plain).mean() < 4


# pixels


@pytest.mark.parametrize("settings", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_jpeg_counts_as_it_is_decoded_not_as_it_is_declared(settings, monkeypatch):
    content = encoded(scene(800, 600), "JPEG", quality=95, **settings)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    check_num_pixels(content, 30_000, SIZE)
    assert np.abs(read_image(content, SIZE).astype(int) - read_image(scene(), SIZE)).mean() < 3
    assert message_of(content, 400) == "image: too many pixels to be a photo"
    with pytest.raises(ImageError, match=r"image: 800 x 600 pixels, more than the 0\.03 megapixels that are taken"):
        check_num_pixels(content, 30_000, 600)


def test_a_jpeg_of_200_megapixels_is_taken(undecoded):
    content = declared_larger(encoded(Image.new("RGB", (64, 64)), "JPEG"), 16320, 12240)
    check_num_pixels(content, 64_000_000, 320)
    with pytest.raises(pytest.fail.Exception, match="it was decoded"):
        read_image(content, 320)


def test_coefficients_count_at_whatever_scale_a_progressive_jpeg_is_decoded(undecoded):
    content = declared_larger(encoded(Image.new("RGB", (64, 64)), "JPEG", progressive=True), 30_000, 20_000)
    assert "MB to decode, more than a photo takes" in message_of(content)


def test_pixels_of_what_is_never_decoded_at_reduced_scale_count_as_declared(undecoded):
    content = png_of(20_000, 20_000, 1, 0, b"")
    assert message_of(content) == "image: too many pixels to be a photo"


def icon_of(side, png):
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(png), 22) + png


def test_an_icon_counts_as_the_picture_that_it_holds():
    content = icon_of(16, png_of(9000, 9000, 8, 0, b""))
    with pytest.raises(ImageError, match="image: 9000 x 9000 pixels, more than the 64 megapixels"):
        check_num_pixels(content, 64_000_000, SIZE)


@pytest.mark.parametrize("image_format", ["ICO", "ICNS"])
def test_an_icon_is_read_as_the_largest_picture_that_it_holds(image_format):
    picture = scene(64, 64)
    square = read_image(encoded(picture, image_format), SIZE)
    assert np.abs(square.astype(int) - read_image(picture, SIZE)).mean() < 2


def test_a_tile_larger_than_its_picture_is_counted(undecoded):
    """libtiff unpacks a whole tile for a few pixels of it."""
    tiles = [(322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 8), (325, 4, 1, 64)]
    assert "MB to decode, more than a photo takes" in message_of(tiff_of(16, 16, 8, 1, bytes(64), *tiles))


# memory


def test_threads_hold_no_more_decoded_bytes_together_than_is_allowed(monkeypatch):
    content = encoded(scene(300, 300).convert("L"), "PNG")  # 90,000 bytes
    monkeypatch.setattr(limits, "_allowance", limits._Allowance(250_000))
    decoded, most_decoded = [], []
    load = ImageFile.ImageFile.load

    def counted(image):
        decoded.append(image)
        most_decoded.append(len(decoded))
        threading.Event().wait(0.01)
        decoded.pop()
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    assert len([square for square in read_images([content] * 12, SIZE, 8) if square.shape == (SIZE, SIZE, 3)]) == 12
    assert max(most_decoded) <= 2


def test_who_needs_more_than_all_others_left_is_not_overtaken_for_ever():
    allowance, order = limits._Allowance(10), []

    def take(name, num_bytes):
        with allowance.held(num_bytes):
            order.append(name)

    with allowance.held(5):
        large = threading.Thread(target=take, args=("large", 10))
        large.start()
        while not allowance._turn.locked():
            pass
        small = threading.Thread(target=take, args=("small", 1))
        small.start()
        assert order == []
    large.join()
    small.join()
    assert order == ["large", "small"]


def test_a_photo_that_takes_all_by_itself_is_decoded_alone():
    with limits._Allowance(10).held(1000):
        pass


@pytest.mark.parametrize("colour_type", [0, 6], ids=["16-bit grey", "RGBA"])
def test_conversion_takes_little_memory_beside_the_decoded_picture(colour_type):
    resource = pytest.importorskip("resource")
    bits, sample_bytes = (16, 2) if colour_type == 0 else (8, 4)
    side = 1000
    content = png_of(side, side, bits, colour_type, bytes(1 + side * sample_bytes) * side)
    read_image(content, SIZE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    side = 3000
    content = png_of(side, side, bits, colour_type, bytes(1 + side * sample_bytes) * side)
    read_image(content, SIZE)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    made_up_rows = side * side * sample_bytes  # by this test
    strips = 64_000_000
    assert grown < made_up_rows + side * side * sample_bytes + strips
