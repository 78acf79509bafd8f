"""Previews behind a JPEG's end to which its EXIF leads."""

import struct

import pytest
from photo_files import FILES, exiftool_rows, frames, needs_exiftool

from captioner.errors import ImageError
from captioner.outputs.metadata import jpeg, read_captions, write_captions
from captioner.outputs.metadata.xmp import PACKET, padded

TEXTS = {"alt": "a dog", "description": "a dog runs"}
PADDED = PACKET.replace(b"<?xpacket end", b" " * 2000 + b"\n<?xpacket end")
MAKER_NOTE, PREVIEW_INFO = 0x927C, 0x00B6


def directory(order, *entries):
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def exif(order, place, count_from="TIFF"):
    """EXIF as Canon's, whose note says where a preview begins. Places are those of a directory after another one."""

    def entry(tag, type_, count, value):
        return struct.pack(order + "HHII", tag, type_, count, value)

    note_at = 8 + (2 + 2 * 12 + 4) + (2 + 12 + 4) + 6
    numbers_at = note_at + 2 + 12 + 4
    make_at = note_at - 6
    base = {"TIFF": 0, "note": note_at}[count_from]
    numbers = struct.pack(order + "2H5I", 12, 0, 2, 99, 32, 32, place - base)  # half their bytes come first
    note = directory(order, entry(PREVIEW_INFO, 4, 6, numbers_at)) + numbers
    return (
        {"<": b"II*\0", ">": b"MM\0*"}[order]
        + struct.pack(order + "I", 8)
        + directory(order, entry(0x010F, 2, 6, make_at), entry(0x8769, 4, 1, 8 + 30))
        + directory(order, entry(MAKER_NOTE, 7, len(note), note_at))
        + b"Canon\0"
        + note
    )


def segment(content):
    return struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content


def photo_with_preview(order="<", count_from="TIFF", packet=None):
    """A JPEG, its preview, and where that begins."""
    data, preview = FILES["bare.jpg"](), FILES["pair.jpg"]()
    first = jpeg.read_segments(data)[0].stop

    def whole(place):
        segments = segment(jpeg.EXIF + exif(order, place, count_from))
        segments += segment(jpeg.XMP + packet) if packet else b""
        return data[:first] + segments + data[first:]

    end = len(whole(100))
    tiff_at = first + 10
    return whole(end - tiff_at) + preview, preview


@pytest.fixture(params=["<", ">"])
def order(request):
    return request.param


@pytest.mark.parametrize("count_from", ["TIFF", "note"])
@pytest.mark.parametrize("packet", [None, PADDED], ids=["no XMP", "XMP with room"])
def test_a_preview_stays_as_far_from_the_exif_that_leads_to_it(order, count_from, packet, tmp_path):
    data, preview = photo_with_preview(order, count_from, packet)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    written = write_captions(path, TEXTS)
    after = path.read_bytes()
    assert written.is_in_xmp_only and read_captions(path).alt.is_ours
    assert len(after) - after.index(jpeg.EXIF) == len(data) - data.index(jpeg.EXIF)
    assert after.endswith(preview) and frames(after) == frames(data)
    assert not write_captions(path, TEXTS).is_changed


def test_a_preview_that_would_move_away_has_the_photo_refused(order, tmp_path):
    data, _ = photo_with_preview(order, packet=PACKET)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match="a preview behind its end, to which its EXIF leads, would not be found again"):
        write_captions(path, TEXTS)
    assert path.read_bytes() == data


def test_a_place_that_counts_from_the_file_has_the_photo_refused(order, tmp_path):
    data, preview = photo_with_preview(order)
    at = len(data) - len(preview)
    first = jpeg.read_segments(data)[0].stop
    old = struct.pack(order + "I", at - first - 10)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data.replace(old, struct.pack(order + "I", at), 1))
    with pytest.raises(ImageError, match="would not be found again"):
        write_captions(path, TEXTS)


def test_what_follows_a_picture_and_no_exif_leads_to_is_no_obstacle(tmp_path, photo_bytes):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo_bytes["photo.jpg"] + b"a video" + photo_bytes["bare.jpg"])
    assert not write_captions(path, TEXTS).is_in_xmp_only
    assert path.read_bytes().endswith(photo_bytes["bare.jpg"])


@needs_exiftool
def test_exiftool_still_takes_out_the_preview(order, tmp_path):
    data, _ = photo_with_preview(order)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    (before,) = exiftool_rows(path)
    write_captions(path, TEXTS)
    (after,) = exiftool_rows(path)
    assert [name for name in before if name.endswith(":PreviewImage")]
    assert {name: after.get(name) for name in before if "PreviewImage" in name and "Start" not in name} == {
        name: value for name, value in before.items() if "PreviewImage" in name and "Start" not in name
    }


@pytest.mark.parametrize("form", ["utf-8", "utf-16-be"])
def test_packets_are_padded_to_a_size_where_that_can_be(form):
    packet = PADDED.decode().encode(form)
    for size in (len(packet) - 200, len(packet), len(packet) + 200):
        assert len(padded(packet, size)) == size
    assert len(padded(packet, 100)) > 100
