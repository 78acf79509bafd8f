"""JPEG, PNG and WebP by their bytes."""

import io
import struct
import zlib

import pytest
from photo_files import FILES, frames, image, png_chunk
from PIL import Image

from captioner.outputs.metadata import blocks, iim, jpeg, png, png_texts, tiff, webp
from captioner.outputs.metadata.blocks import BrokenMetadata, spliced

XMP = png_texts.XMP_KEYWORD + b"\0"
MODULES = {".jpg": jpeg, ".png": png, ".webp": webp}
NAMES = [name for name in FILES if not name.endswith(".tif")]


def module_of(name):
    return MODULES[name[name.rindex(".") :]]


def replaced(module, data, xmp=None, description=None):
    return spliced(data, module.replace_blocks(data, xmp, description))


def app(number, content):
    return struct.pack(">BBH", 0xFF, 0xE0 + number, len(content) + 2) + content


def markers(data):
    return [(segment.marker, segment.name[:4]) for segment in jpeg.read_segments(data)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packet", [b"<odd/>\n", b"<even/>\n"])
def test_blocks_that_are_put_in_are_read_back_and_replaced(name, packet, photo_bytes):
    module, data = module_of(name), photo_bytes[name]
    once = replaced(module, data, packet, b"a dog")
    twice = replaced(module, once, packet + b" more", b"a dog runs on")
    for found, text in ((module.read_blocks(once), b"a dog\0"), (module.read_blocks(twice), b"a dog runs on\0")):
        assert found.xmp == packet + b" more" * (text != b"a dog\0")
        assert tiff.read_tag(found.exif, 270) == text
    assert frames(data) is not None
    assert frames(once) == frames(twice) == frames(data)
    assert replaced(module, twice, packet, b"a dog") == once


@pytest.mark.parametrize("name", NAMES)
def test_each_block_is_replaced_alone(name, photo_bytes):
    module, data = module_of(name), photo_bytes[name]
    for xmp, description in ((b"<x/>", None), (None, b"a dog")):
        before, after = module.read_blocks(data), module.read_blocks(replaced(module, data, xmp, description))
        assert after.xmp == (xmp or before.xmp)
        assert (after.exif == before.exif) == (description is None)


# JPEG


def test_new_segments_stand_behind_jfif_exif_first(photo_bytes):
    after = markers(replaced(jpeg, photo_bytes["bare.jpg"], b"<x/>", b"a dog"))
    assert after[:3] == [(0xE0, b"JFIF"), (0xE1, b"Exif"), (0xE1, b"http")]
    assert markers(replaced(jpeg, photo_bytes["photo.jpg"], b"<x/>"))[1:3] == [(0xE1, b"Exif"), (0xE1, b"http")]


def test_without_jfif_new_segments_are_the_first(photo_bytes):
    data = photo_bytes["bare.jpg"]
    first = jpeg.read_segments(data)[0]
    bare = data[:2] + data[first.stop :]
    assert markers(replaced(jpeg, bare, b"<x/>", b"a"))[:2] == [(0xE1, b"Exif"), (0xE1, b"http")]


def test_everything_from_the_first_scan_on_stays(photo_bytes):
    data = photo_bytes["photo.jpg"] + b"a video of a moving photo\xff\xd8\xff\xe1"
    after = replaced(jpeg, data, b"<x/>", b"a dog")
    assert after[after.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") :]


def test_an_index_of_further_pictures_leads_to_them(photo_bytes):
    data = photo_bytes["pair.jpg"]
    after = replaced(jpeg, data, b"<x/>", b"a dog")
    sizes = []
    for photo in (data, after):
        with Image.open(io.BytesIO(photo)) as opened:
            sizes.append([entry["Size"] for entry in opened.mpinfo[0xB002]])
    assert len(frames(data)) == 2 and frames(after) == frames(data)
    assert sizes[1] == [sizes[0][0] + len(after) - len(data), sizes[0][1]]


def test_what_stands_behind_an_index_of_further_pictures_keeps_its_size(photo_bytes):
    data = photo_bytes["pair.jpg"]
    index = next(s for s in jpeg.read_segments(data) if s.name.startswith(b"MPF\0"))
    behind = data[: index.stop] + app(1, jpeg.XMP + b"<xmp/>") + data[index.stop :]
    with pytest.raises(BrokenMetadata, match="index of further pictures"):
        jpeg.replace_blocks(behind, b"<longer/>", None)
    assert replaced(jpeg, behind, b"<abc/>") == behind.replace(b"<xmp/>", b"<abc/>")


def test_a_packet_gives_up_its_padding_before_it_is_refused(photo_bytes):
    full = b"<x>" + b"." * (jpeg.MOST_XMP - 30) + b"</x>\n"
    padded = full + b" " * 2000 + b"\n<?xpacket end='w'?>"
    assert jpeg.read_blocks(replaced(jpeg, photo_bytes["bare.jpg"], padded)).xmp == full + b"<?xpacket end='w'?>"
    with pytest.raises(BrokenMetadata, match="no room for a caption in its XMP"):
        jpeg.replace_blocks(photo_bytes["bare.jpg"], b" " * (jpeg.MOST_XMP + 1), None)


def test_further_parts_of_a_long_packet_stay(photo_bytes):
    part = app(1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"<more/>")
    data = photo_bytes["bare.jpg"]
    data = data[:2] + app(1, jpeg.XMP + b"<main/>") + part + data[2:]
    assert replaced(jpeg, data, b"<changed/>") == data.replace(app(1, jpeg.XMP + b"<main/>") + part, b"||").replace(
        b"||", app(1, jpeg.XMP + b"<changed/>") + part
    )


def test_exif_that_leaves_no_room_is_refused(photo_bytes):
    data = photo_bytes["bare.jpg"]
    full = app(1, jpeg.EXIF + tiff.EMPTY + bytes(jpeg.MOST_EXIF - len(tiff.EMPTY)))
    with pytest.raises(BrokenMetadata, match="no room for a description in its EXIF"):
        jpeg.replace_blocks(data[:2] + full + data[2:], None, b"a dog")
    split = app(1, jpeg.EXIF + tiff.EMPTY) * 2
    with pytest.raises(BrokenMetadata, match="over several segments"):
        jpeg.replace_blocks(data[:2] + split + data[2:], None, b"a dog")


def test_fill_bytes_before_a_marker_are_no_harm(photo_bytes):
    data = photo_bytes["bare.jpg"]
    filled = data[:2] + b"\xff\xff" + data[2:]
    assert jpeg.read_blocks(replaced(jpeg, filled, b"<x/>")).xmp == b"<x/>"


def test_very_many_fill_bytes_take_no_time(photo_bytes):
    data = photo_bytes["bare.jpg"]
    filled = data[:2] + b"\xff" * 30_000_000 + data[2:]
    assert markers(filled) == markers(data)
    with pytest.raises(BrokenMetadata, match="a JPEG segment is cut short"):
        jpeg.read_segments(filled[:20_000_000])


def test_more_parts_than_any_photo_has_are_refused(photo_bytes):
    many = blocks.MAX_PARTS + 1
    with pytest.raises(BrokenMetadata, match=r"more than 262,144 segments"):
        jpeg.read_segments(b"\xff\xd8" + b"\xff\xe0\0\2" * many)
    with pytest.raises(BrokenMetadata, match=r"more than 262,144 chunks"):
        png.read_chunks(photo_bytes["bare.png"][:33] + png_chunk(b"IDAT", b"") * many)
    with pytest.raises(BrokenMetadata, match=r"more than 262,144 chunks"):
        webp.read_chunks(b"RIFF" + struct.pack("<I", 4 + 8 * many) + b"WEBP" + b"VP8X\0\0\0\0" * many)


@pytest.mark.parametrize("name", ["bare.png", "lossy.webp", "little.tif"])
def test_a_block_that_is_too_large_for_metadata_is_not_read(name, photo_bytes, monkeypatch):
    data = photo_bytes[name]
    module = tiff if name.endswith("tif") else module_of(name)
    data = spliced(data, module.replace_blocks(data, b"<x>" + b" " * 5000 + b"</x>", None))
    monkeypatch.setattr(blocks, "MAX_BYTES", 4000)
    with pytest.raises(BrokenMetadata, match=r"of 0 MB, more than the 0 MB that are read"):
        module.read_blocks(data)


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\xd9", b"\xff\xe1\x00\x01", b"\xff\xe1\xff\xff", b"no marker"])
def test_a_jpeg_without_a_scan_is_broken(end):
    with pytest.raises(BrokenMetadata):
        jpeg.read_segments(b"\xff\xd8" + app(0, b"JFIF\0") + end)


# IPTC


def resource(number, data, name=b""):
    pascal = bytes([len(name)]) + name
    pascal += b"\0" * (len(pascal) % 2)
    return b"8BIM" + struct.pack(">H", number) + pascal + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def dataset(number, data):
    return struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data


def test_the_caption_is_found_among_photoshop_resources(photo_bytes):
    datasets = dataset(5, b"a title") + dataset(120, "고양이".encode())
    block = resource(0x0425, b"odd", name=b"its name") + resource(0x0404, datasets)
    data = photo_bytes["bare.jpg"]
    halves = app(13, jpeg.PHOTOSHOP + block[:50]) + app(13, jpeg.PHOTOSHOP + block[50:])
    assert iim.caption_abstract(jpeg.read_blocks(data[:2] + halves + data[2:]).iims[0]) == "고양이"


def test_the_caption_is_found_in_both_places_of_a_tiff(photo_bytes):
    resources = resource(0x0404, dataset(120, b"a cat"))
    tags = {33723: (tiff.BYTE, dataset(120, b"a dog")), 34377: (tiff.BYTE, resources)}
    data = photo_bytes["big-endian.tif"]
    data = spliced(data, tiff.set_tags(data, tags, reuses_end=False))
    assert [iim.caption_abstract(found) for found in tiff.read_blocks(data).iims] == ["a dog", "a cat"]


def test_captions_of_any_length_and_coding_are_read():
    long = struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, 40_000) + b"a" * 40_000
    assert iim.caption_abstract(dataset(5, b"x") + long) == "a" * 40_000
    assert iim.caption_abstract(dataset(120, b"caf\xe9")) == "café"


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_iptc_that_breaks_off_is_read_as_far_as_it_goes(cut):
    block = resource(0x0404, dataset(5, b"a title") + dataset(120, b"a dog"))
    assert "a dog".startswith(iim.caption_abstract(iim.iim_of_resources(block[:cut])))


# PNG


def with_chunk(data, type_, content):
    """Behind IHDR, which is 25 bytes long."""
    return data[:33] + png_chunk(type_, content) + data[33:]


def test_new_chunks_stand_before_the_picture_with_right_checksums(photo_bytes):
    after = replaced(png, photo_bytes["bare.png"], b"<x/>", b"a dog")
    chunks = png.read_chunks(after)
    types = [found.type for found in chunks]
    assert types.index(b"eXIf") < types.index(b"iTXt") < types.index(b"IDAT")
    assert all(found.content(after) is not None for found in chunks)  # which checks them


def test_a_compressed_packet_is_read_and_written_plainly(photo_bytes):
    compressed = XMP + b"\1\0en\0key\0" + zlib.compress(b"<x/>" * 100)
    data = with_chunk(photo_bytes["bare.png"], b"iTXt", compressed)
    assert png.read_blocks(data).xmp == b"<x/>" * 100
    assert png_chunk(b"iTXt", XMP + b"\0\0\0\0<y/>") in replaced(png, data, b"<y/>")


def test_other_texts_stay(photo_bytes):
    comment = png_chunk(b"iTXt", b"Comment\0\0\0\0\0words") + png_chunk(b"tEXt", b"Title\0words")
    data = photo_bytes["bare.png"]
    assert comment in replaced(png, data[:33] + comment + data[33:], b"<x/>", b"a dog")


def test_what_follows_the_end_of_a_png_stays(photo_bytes):
    assert replaced(png, photo_bytes["bare.png"] + b"more", b"<x/>").endswith(b"IEND\xaeB`\x82more")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut short"),
        (b"\0\0en", "cut short"),
        (b"\2\0\0\0<x/>", "cut short"),
        (b"\1\0\0\0no zlib", "cannot be decompressed"),
        (b"\1\0\0\0" + zlib.compress(b"<x/>" * 99)[:-8], "cut short, or endless"),
        (b"\1\0\0\0" + zlib.compress(bytes(1 << 27), 9), "cut short, or endless"),
    ],
)
def test_broken_packets_in_a_png_are_named(content, reason, photo_bytes):
    with pytest.raises(BrokenMetadata, match=reason):
        png.read_blocks(with_chunk(photo_bytes["bare.png"], b"iTXt", XMP + content))


def test_a_wrong_checksum_of_metadata_is_named(photo_bytes):
    data = with_chunk(photo_bytes["bare.png"], b"eXIf", tiff.EMPTY)
    broken = data.replace(b"eXIfII*\0\x08", b"eXIfII*\0\x09")
    assert png.read_blocks(broken).exif == b""  # the picture is whole without it
    with pytest.raises(BrokenMetadata, match="the checksum of its eXIf is wrong"):
        png.replace_blocks(broken, None, b"a dog")
    with pytest.raises(BrokenMetadata, match="the checksum of its iTXt is wrong"):
        png.read_blocks(with_chunk(data, b"iTXt", XMP + b"\0\0\0\0<x/>").replace(b"<x/>", b"<y/>"))


# WebP


@pytest.mark.parametrize(("name", "alpha"), [("lossy.webp", 0), ("lossless.webp", 0), ("transparent.webp", 0x10)])
def test_a_simple_webp_becomes_an_extended_one(name, alpha, photo_bytes):
    after = replaced(webp, photo_bytes[name], b"<x/>", b"a dog")
    chunks = webp.read_chunks(after)
    assert chunks[0].type == b"VP8X" and [found.type for found in chunks[2:]] == [b"EXIF", b"XMP "]
    assert chunks[0].content(after) == bytes([0x0C | alpha, 0, 0, 0, 31, 0, 0, 31, 0, 0])
    assert struct.unpack("<I", after[4:8])[0] == len(after) - 8


def test_sides_of_a_picture_are_those_of_its_header():
    for options in ({"quality": 50}, {"lossless": True}):
        file = io.BytesIO()
        image().resize((300, 5)).save(file, "WEBP", **options)
        after = replaced(webp, file.getvalue(), b"<x/>")
        assert webp.read_chunks(after)[0].content(after)[4:] == bytes([299 % 256, 299 // 256, 0, 4, 0, 0])


def test_flags_that_were_set_stay(photo_bytes):
    data = photo_bytes["animated.webp"]
    after = replaced(webp, data, b"<x/>")
    assert after[20] == data[20] | 0x04 and data[20] & 0x02


def test_exif_stands_before_xmp_that_is_there(photo_bytes):
    data = replaced(webp, photo_bytes["lossy.webp"], b"<x/>")
    types = [found.type for found in webp.read_chunks(replaced(webp, data, b"<longer/>", b"a dog"))]
    assert types == [b"VP8X", b"VP8 ", b"EXIF", b"XMP "]


def test_a_prefix_before_exif_in_a_webp_stays(photo_bytes):
    data = replaced(webp, photo_bytes["lossy.webp"], None, b"a dog")
    at = data.index(b"EXIF")
    content = jpeg.EXIF + data[at + 8 :]
    data = data[: at + 4] + struct.pack("<I", len(content)) + content
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    after = replaced(webp, data, None, b"a cat sleeps")
    assert after[at + 8 :].startswith(jpeg.EXIF)
    assert tiff.read_tag(webp.read_blocks(after).exif, 270) == b"a cat sleeps\0"


def test_a_last_chunk_without_its_padding_gets_it(photo_bytes):
    data = replaced(webp, photo_bytes["lossy.webp"], None, b"a dog")
    data += b"ODD " + struct.pack("<I", 3) + b"odd"
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    after = replaced(webp, data, b"<x/>")
    assert b"odd\0XMP \4\0\0\0<x/>" in after and webp.read_blocks(after).xmp == b"<x/>"


def test_what_follows_a_webp_stays(photo_bytes):
    after = replaced(webp, photo_bytes["lossy.webp"] + b"more", b"<x/>")
    assert after.endswith(b"<x/>more") and struct.unpack("<I", after[4:8])[0] == len(after) - 12


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\4\0\0\0WEBP",
        b"RIFF\xff\0\0\0WEBP",
        b"RIFF\x0c\0\0\0WEBPVP8 \xff\0\0\0",
        b"RIFF\x0c\0\0\0WEBPVP8X\0\0\0\0",
        b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0",
        b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0" + bytes(10),
        b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0" + bytes(6),
    ],
)
def test_a_webp_without_a_picture_is_broken(data):
    with pytest.raises(BrokenMetadata, match="WebP"):
        webp.replace_blocks(data, b"<x/>", None)
