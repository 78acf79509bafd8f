"""Metadata that lie in texts of a PNG, as ImageMagick and exiv2 write them."""

import io
import struct
import zlib

import pytest
from photo_files import exiftool_rows, frames, image, needs_exiftool, png_chunk
from PIL import Image

from captioner.errors import ImageError
from captioner.outputs.metadata import Found, blocks, read_captions, write_captions
from captioner.outputs.metadata.png_texts import read_profile
from captioner.outputs.metadata.xmp import META, with_captions

THEIRS = "Rex, our dog"
OURS = {"alt": "a dog", "description": "a dog runs over the grass"}
ORIENTATION = 0x0112


def exif_bytes(description=None):
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    if description:
        exif[0x010E] = description
    return exif.tobytes()  # with its name, "Exif"


def iim(text):
    return struct.pack(">BBBH", 0x1C, 2, 120, len(text)) + text.encode()


def resource(data):
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def packet(text):
    return with_captions(META, {"description": text}).replace(b"tag:captioner,2026:xmp/", b"urn:another")


XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
PROFILES = {  # of a description: keyword, content
    "exif": (b"exif", exif_bytes),
    "exif without its name": (b"exif", lambda text: exif_bytes(text).removeprefix(b"Exif\0\0")),
    "exif as APP1": (b"APP1", exif_bytes),
    "xmp as APP1": (b"APP1", lambda text: XMP_NAME + packet(text)),
    "xmp": (b"xmp", packet),
    "iptc": (b"iptc", iim),
    "iptc in resources": (b"iptc", lambda text: resource(iim(text))),
    "resources": (b"8bim", lambda text: b"Photoshop 3.0\0" + resource(iim(text))),
}
TEXTS = {
    b"tEXt": lambda keyword, text: keyword + b"\0" + text,
    b"zTXt": lambda keyword, text: keyword + b"\0\0" + zlib.compress(text),
    b"iTXt": lambda keyword, text: keyword + b"\0\0\0\0\0" + text,
}


def raw(keyword, content):
    digits = b"".join(content[i : i + 36].hex().encode() + b"\n" for i in range(0, len(content), 36))
    return b"Raw profile type " + keyword, b"\n%b\n%8d\n" % (keyword, len(content)) + digits


@pytest.fixture
def png_with(tmp_path):
    """A function `(chunks) -> path` of a PNG that has them behind its header."""

    def made(*chunks):
        file = io.BytesIO()
        image().save(file, "PNG")
        path = tmp_path / "photo.png"
        path.write_bytes(file.getvalue()[:33] + b"".join(chunks) + file.getvalue()[33:])
        return path

    return made


def profile_chunk(kind, text, type_=b"zTXt"):
    keyword, content = PROFILES[kind]
    return png_chunk(type_, TEXTS[type_](*raw(keyword, content(text))))


@pytest.mark.parametrize("type_", TEXTS)
@pytest.mark.parametrize("kind", PROFILES)
def test_a_persons_words_in_every_profile_and_text_are_kept(kind, type_, png_with):
    path = png_with(profile_chunk(kind, THEIRS, type_))
    assert read_captions(path).description == Found(THEIRS)
    assert write_captions(path, OURS).kept == ("description",)
    assert read_captions(path).alt == Found(OURS["alt"], True)
    assert read_captions(path).description == Found(THEIRS)


@pytest.mark.parametrize("type_", [b"tEXt", b"zTXt"])
def test_a_packet_in_another_text_than_its_own_is_read_and_taken_over(type_, png_with):
    path = png_with(png_chunk(type_, TEXTS[type_](b"XML:com.adobe.xmp", packet(THEIRS))))
    assert read_captions(path).description == Found(THEIRS)
    write_captions(path, {"alt": "a dog"})
    with Image.open(path) as opened:
        assert THEIRS in opened.text["XML:com.adobe.xmp"] and "a dog" in opened.text["XML:com.adobe.xmp"]


@pytest.mark.parametrize("kind", ["exif", "exif without its name", "exif as APP1"])
@pytest.mark.parametrize("type_", TEXTS)
def test_a_picture_is_not_turned_by_a_new_exif_chunk(kind, type_, png_with):
    path = png_with(profile_chunk(kind, None, type_))
    before = path.read_bytes()
    with Image.open(path) as opened:
        orientation = opened.getexif().get(ORIENTATION)
    written = write_captions(path, OURS)
    assert written.is_in_xmp_only and written.written == ("alt", "description")
    with Image.open(path) as opened:
        assert opened.getexif().get(ORIENTATION) == orientation and "exif" not in opened.info
    assert frames(path.read_bytes()) == frames(before)
    assert read_captions(path).description == Found(OURS["description"], True)
    assert not write_captions(path, OURS).is_changed


def test_an_exif_chunk_that_is_there_is_written_into_whatever_the_texts_hold(png_with):
    path = png_with(profile_chunk("exif", None), png_chunk(b"eXIf", exif_bytes().removeprefix(b"Exif\0\0")))
    assert not write_captions(path, OURS).is_in_xmp_only
    with Image.open(path) as opened:
        assert opened.getexif()[0x010E] == OURS["description"] and opened.getexif()[ORIENTATION] == 3


def test_our_own_words_that_another_program_put_into_texts_are_ours(png_with):
    """As ImageMagick does when it converts a photo of ours."""
    ours = with_captions(META, OURS)
    exif = profile_chunk("exif", OURS["description"])
    path = png_with(exif, png_chunk(b"zTXt", TEXTS[b"zTXt"](*raw(b"xmp", ours))))
    assert read_captions(path).description == Found(OURS["description"], True)
    write_captions(path, {"alt": "a cat", "description": "a cat sleeps"})
    assert read_captions(path).description.is_ours and read_captions(path).alt.is_ours


@pytest.mark.parametrize(
    "text",
    [b"", b"\nexif\n", b"\nexif\n 4\nwxyz", b"\nexif\n 4\nabc", b"4\nabcd", b"\nexif\n    99\n" + b" " * 200_000],
)
def test_texts_that_are_no_profiles_are_left_out(text, png_with):
    content = TEXTS[b"tEXt"](b"Raw profile type exif", text)
    assert read_profile(b"tEXt", content) is None
    path = png_with(png_chunk(b"tEXt", content))
    assert write_captions(path, OURS).is_in_xmp_only  # it may be EXIF all the same
    assert png_chunk(b"tEXt", content) in path.read_bytes()


def test_a_profile_whose_checksum_is_wrong_is_left_out(png_with):
    broken = profile_chunk("iptc", THEIRS)[:-1] + b"?"
    assert write_captions(png_with(broken), OURS).written == ("alt", "description")


def test_words_in_a_second_packet_are_kept(png_with):
    chunks = [png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + data) for data in (META, packet(THEIRS))]
    assert write_captions(png_with(*chunks), OURS).kept == ("description",)


def test_a_text_that_becomes_too_large_is_left_out_and_fills_no_memory(monkeypatch):
    monkeypatch.setattr("captioner.outputs.metadata.png_texts.MAX_BYTES", 1000)
    assert read_profile(b"zTXt", TEXTS[b"zTXt"](b"Raw profile type xmp", bytes(10_000))) is None


def test_elements_without_end_in_a_small_picture_are_one_plain_error(png_with):
    many = b"<x:a xmlns:x='urn:a'>" + b"<b/>" * 1_000_000
    path = png_with(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(many)))
    assert path.stat().st_size < 100_000 < blocks.MAX_BYTES
    for call in (read_captions, lambda path: write_captions(path, OURS)):
        with pytest.raises(ImageError, match=r"^[^\n]*photo\.png: XMP of more than 200,000 elements[^\n]*$"):
            call(path)


@needs_exiftool
def test_exiftool_sees_all_that_it_saw_before(png_with):
    path = png_with(*(profile_chunk(kind, None if "exif" in kind else THEIRS) for kind in ("exif", "iptc", "xmp")))
    (before,) = exiftool_rows(path)
    assert before["IFD0:Orientation"] == ["Rotate 180"] and before["IPTC:Caption-Abstract"] == [THEIRS]
    write_captions(path, OURS, replace_human=True)
    (after,) = exiftool_rows(path)
    assert all(set(values) <= set(after[name]) for name, values in before.items() if not name.startswith("File:"))
