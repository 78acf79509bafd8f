"""A picture whose pixels are whole is shown, whatever is damaged beside them."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_files import chunk, encoded, scene, with_chunk, with_segment
from PIL import Image

from captioner.errors import ImageError
from captioner.images import check_num_pixels, photo_shape, read_image

SIZE = 32
PNG, JPEG = encoded(scene(), "PNG"), encoded(scene(), "JPEG", quality=95)
PROGRESSIVE = encoded(scene(), "JPEG", quality=95, progressive=True)
PNG_SQUARE, JPEG_SQUARE = read_image(PNG, SIZE), read_image(JPEG, SIZE)
ANCILLARY = [b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"bKGD", b"eXIf", b"iTXt", b"zTXt", b"tEXt", b"acTL", b"fcTL",
             b"fdAT", b"iCCP", b"sBIT", b"hIST", b"sPLT", b"cICP", b"caBX", b"mDCV", b"tRNS"]  # fmt: skip
KNOWN_BEGINNINGS = [b"", b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe", b"MPF\0", b"Photoshop 3.08BIM",
                    b"Exif\0\0II*\0\x08\0\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"FPXR\0"]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it finds
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANCILLARY), st.binary(max_size=40), st.booleans(), st.booleans())
def test_no_chunk_beside_the_pixels_costs_a_png(kind, payload, has_right_checksum, is_behind_the_pixels):
    if kind == b"tRNS" and len(payload) == 6:
        payload += b"\0"  # a colour of the picture may be transparent, then
    made = chunk(kind, payload)
    if not has_right_checksum:
        made = made[:-1] + bytes([made[-1] ^ 1])
    damaged = PNG[:-12] + made + PNG[-12:] if is_behind_the_pixels else with_chunk(PNG, made)
    assert np.array_equal(read_image(damaged, SIZE), PNG_SQUARE)
    assert photo_shape(damaged) == (60, 90)
    check_num_pixels(damaged, 10_000, SIZE)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_more_than_pillow_takes_does_not_cost_the_picture(kind):
    damaged = with_chunk(PNG, chunk(kind, b"a\0\0" + zlib.compress(b"x" * 5_000_000)))
    assert np.array_equal(read_image(damaged, SIZE), PNG_SQUARE)


def test_a_png_that_is_mended_keeps_its_orientation_and_its_hole():
    exif = Image.Exif()
    exif[0x0112] = 3
    whole = encoded(scene(), "PNG", exif=exif, transparency=scene().getpixel((0, 0)))
    damaged = with_chunk(whole, chunk(b"pHYs", b""))
    assert np.array_equal(read_image(damaged, SIZE), read_image(whole, SIZE))
    assert not np.array_equal(read_image(whole, SIZE), PNG_SQUARE)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*range(0xE0, 0xF0), 0xFE]), st.sampled_from(KNOWN_BEGINNINGS), st.binary(max_size=40))
def test_no_segment_beside_the_pixels_costs_a_jpeg(marker, beginning, rest):
    if beginning == b"Adobe" and len(rest) >= 7:
        rest = rest[:6] + b"\1" + rest[7:]  # which tells how colours are coded
    if beginning.startswith(b"Exif"):
        rest = rest[:2].replace(b"\1", b"\0") + b"\0" * 10  # no orientation
    square = read_image(with_segment(JPEG, marker, beginning + rest), SIZE)
    assert np.abs(square.astype(int) - JPEG_SQUARE).max() <= 2


@pytest.mark.parametrize("jpeg", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("num_missing", [1, 2])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(jpeg, num_missing):
    assert np.array_equal(read_image(jpeg[:-num_missing], SIZE), read_image(jpeg, SIZE))


@pytest.mark.parametrize("jpeg", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("num_missing", [12, 40, 400, 1000])
def test_a_jpeg_that_lacks_pixels_is_not(jpeg, num_missing):
    with pytest.raises(ImageError, match="broken or cut short"):
        read_image(jpeg[:-num_missing], SIZE)


def test_a_damaged_picture_in_a_file_is_mended_alike(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(with_chunk(PNG, chunk(b"pHYs", b"")))
    assert np.array_equal(read_image(path, SIZE), PNG_SQUARE)
    assert np.array_equal(read_image(io.BytesIO(path.read_bytes()), SIZE), PNG_SQUARE)
    with path.open("rb") as file:
        assert np.array_equal(read_image(file, SIZE), PNG_SQUARE)


def test_a_kind_of_a_known_format_that_is_not_read_is_told_from_what_is_no_image():
    twelve_bits = JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")
    for content, name in ((twelve_bits, "JPEG"), (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "TIFF")):
        with pytest.raises(ImageError, match=f"^image: broken, or a kind of {name} that is not read$"):
            read_image(content, SIZE)
