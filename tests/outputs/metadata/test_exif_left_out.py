"""EXIF that cannot take a description keeps nothing else from being written."""

import struct

import pytest
from photo_files import FILES, frames, png_chunk

from captioner.errors import ImageError
from captioner.outputs.metadata import Found, jpeg, read_captions, tiff, webp, write_captions
from captioner.outputs.metadata.blocks import spliced

TEXTS = {"alt": "a dog", "description": "a dog runs"}
CUT_VALUE = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 270, 2, 99, 0xFFFFFF, 0)
EXIFS = {
    "no header": b"no TIFF structure",
    "nothing at all": b"II*\0",
    "a directory that is cut short": b"II*\0\x08\0\0\0\xff\xff",
    "a value that is cut short": CUT_VALUE,
}


def segment(content):
    return struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content


FULL = (tiff.EMPTY[:8] + b"\x01\0" + struct.pack("<HHII", 0x10F, 2, 6, 26) + b"\0" * 4 + b"NIKON\0").ljust(65526, b"U")
JPEG_EXIFS = EXIFS | {"full": FULL}


def jpeg_with(*contents):
    data = FILES["bare.jpg"]()
    return data[:2] + b"".join(map(segment, contents)) + data[2:]


def png_with(exif):
    data = FILES["bare.png"]()
    return data[:33] + png_chunk(b"eXIf", exif) + data[33:]


def webp_with(exif):
    data = spliced(FILES["lossy.webp"](), webp.replace_blocks(FILES["lossy.webp"](), None, b"a dog"))
    at = data.index(b"EXIF")
    data = data[: at + 4] + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


MAKE = {
    **{f"{kind}.jpg": (lambda exif=exif: jpeg_with(jpeg.EXIF + exif)) for kind, exif in JPEG_EXIFS.items()},
    "another byte behind its name.jpg": lambda: jpeg_with(b"Exif\0\xff" + tiff.EMPTY),
    "bytes before its name.jpg": lambda: jpeg_with(b"\0\0\0\0Exif\0\0" + tiff.EMPTY),
    "several segments.jpg": lambda: jpeg_with(jpeg.EXIF + tiff.EMPTY, jpeg.EXIF + bytes(20)),
    **{f"{kind}.png": (lambda exif=exif: png_with(exif)) for kind, exif in EXIFS.items()},
    "wrong checksum.png": lambda: png_with(tiff.EMPTY).replace(b"eXIfII", b"eXIfMM"),
    **{f"{kind}.webp": (lambda exif=exif: webp_with(exif)) for kind, exif in EXIFS.items()},
}


@pytest.fixture(params=MAKE)
def path(request, tmp_path):
    path = tmp_path / request.param.replace(" ", "_")
    path.write_bytes(MAKE[request.param]())
    return path


def test_both_captions_are_written_into_xmp_and_exif_stays(path):
    before = path.read_bytes()
    written = write_captions(path, TEXTS)
    assert (written.written, written.is_in_xmp_only) == (("alt", "description"), True)
    found = read_captions(path)
    assert (found.alt, found.description) == (Found("a dog", True), Found("a dog runs", True))
    assert frames(path.read_bytes()) == frames(before)
    modules = {".jpg": jpeg, ".webp": webp}
    if path.suffix in modules:
        module = modules[path.suffix]
        assert module.read_blocks(path.read_bytes()).exif == module.read_blocks(before).exif


def test_they_are_replaced_and_not_written_twice(path):
    write_captions(path, TEXTS)
    assert not write_captions(path, TEXTS).is_changed
    assert write_captions(path, {"alt": "b", "description": "c"}).is_in_xmp_only
    assert read_captions(path).description == Found("c", True)


def test_an_alternative_text_alone_has_nothing_to_do_with_exif(path):
    assert not write_captions(path, {"alt": "a dog"}).is_in_xmp_only


def test_words_that_would_stay_in_exif_and_contradict_are_refused(tmp_path):
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 270, 2, 4) + b"old\0" + b"\0" * 4
    path = tmp_path / "full.jpg"
    path.write_bytes(jpeg_with(jpeg.EXIF + exif.ljust(65526, b"U")))
    before = path.read_bytes()
    with pytest.raises(ImageError, match="no room for a description in its EXIF"):
        write_captions(path, TEXTS, replace_human=True)
    assert path.read_bytes() == before and write_captions(path, TEXTS).kept == ("description",)


def test_an_index_of_further_pictures_before_exif_is_no_obstacle_to_xmp(tmp_path, photo_bytes):
    data = photo_bytes["pair.jpg"]
    index = next(s for s in jpeg.read_segments(data) if s.name.startswith(b"MPF\0"))
    path = tmp_path / "pair.jpg"
    path.write_bytes(data[: index.stop] + segment(jpeg.EXIF + tiff.EMPTY) + data[index.stop :])
    before = frames(path.read_bytes())
    assert write_captions(path, TEXTS).is_in_xmp_only
    assert frames(path.read_bytes()) == before and read_captions(path).alt.is_ours


def test_exif_of_several_segments_is_not_parted(tmp_path):
    exif = segment(jpeg.EXIF + tiff.EMPTY) + segment(jpeg.EXIF + bytes(20))
    path = tmp_path / "photo.jpg"
    path.write_bytes(MAKE["several segments.jpg"]())
    write_captions(path, TEXTS)
    assert exif in path.read_bytes()
