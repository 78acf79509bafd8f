import struct

import pytest
from photo_files import frames, tiff_bytes

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import BrokenMetadata, spliced

KINDS = {
    "little-endian": tiff_bytes("<"),
    "big-endian": tiff_bytes(">"),
    "pages": tiff_bytes(">", num_pages=3),
    "tiles": tiff_bytes("<", is_tiled=True),
    "BigTIFF": tiff_bytes("<", is_big=True, num_pages=2),
    "BigTIFF, big-endian": tiff_bytes(">", is_big=True, is_tiled=True),
    "pixels last": tiff_bytes("<", gap=b"odd"),
}


def with_tags(data, reuses_end=False, **values):
    tags = {"description": (270, tiff.ASCII), "xmp": (700, tiff.BYTE)}
    return spliced(data, tiff.set_tags(data, {tags[k][0]: (tags[k][1], v) for k, v in values.items()}, reuses_end))


@pytest.fixture(params=KINDS)
def data(request):
    return KINDS[request.param]


def test_pillow_decodes_these_files():
    """But for big-endian BigTIFF, which it does not know."""
    assert [name for name, data in KINDS.items() if frames(data) is None] == ["BigTIFF, big-endian"]


@pytest.mark.parametrize("text", [b"a\0", b"cat\0", b"dogs\0", b"eight by\0", b"a dog runs over the grass\0"])
def test_a_tag_that_is_set_is_read_back_wherever_its_value_fits(data, text):
    assert tiff.read_tag(with_tags(data, description=text), 270) == text


def test_all_bytes_stay_but_the_offset_of_the_first_directory(data):
    after = with_tags(data, description=b"a dog runs\0", xmp=b"<x/>")
    layout = tiff.read_directory(data).layout
    assert after[: layout.first_ifd_at] == data[: layout.first_ifd_at]
    assert after[layout.header_size : len(data)] == data[layout.header_size :]
    assert frames(after) == frames(data)


def test_other_entries_and_the_next_directory_stay(data):
    before, after = tiff.read_directory(data), tiff.read_directory(with_tags(data, xmp=b"a packet"))
    assert after.next_offset == before.next_offset
    assert [entry for entry in after.entries if entry.tag != 700] == list(before.entries)


def test_entries_are_in_ascending_order(data):
    tags = [entry.tag for entry in tiff.read_directory(with_tags(data, xmp=b"a packet", description=b"b\0")).entries]
    assert tags == sorted(tags) and {270, 700} <= set(tags)


def entry(tag, type_=3, count=1, value=b"\1\0\0\0"):
    return struct.pack("<HHI4s", tag, type_, count, value)


def structure(*entries):
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


DAMAGED = [entry(0), entry(0xFFFF, 0xABCD, 0xFFFFFFFF, b"\xff" * 4), entry(0x200, 0, 0)]


@pytest.mark.parametrize("damaged", DAMAGED)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(
    "tags", [(256, 271, 282), (282, 271, 256), (256, 270, 282)], ids=["sorted", "wild", "described"]
)
def test_entries_keep_their_order_and_ours_takes_its_place_among_them(tags, place, damaged):
    """A reader gives up where a directory begins with a damaged entry."""
    entries = [entry(tag) for tag in tags]
    entries.insert(place, damaged)
    before = tiff.read_directory(structure(*entries)).entries
    after = tiff.read_directory(with_tags(structure(*entries), description=b"a dog\0")).entries
    assert [each for each in after if each.tag != 270] == [each for each in before if each.tag != 270]
    where = [each.tag for each in after].index(270)
    assert all(each.tag < 270 for each in after[:where] if each.tag in tags or 270 not in tags)
    if 270 in tags:
        assert where == [each.tag for each in before].index(270)


def test_a_further_entry_of_the_same_tag_stays_and_is_read():
    data = structure(entry(270, 2, 4, b"one\0"), entry(270, 2, 4, b"two\0"))
    assert tiff.read_descriptions(data) == ["one", "two"]
    assert tiff.read_descriptions(with_tags(data, description=b"a dog\0")) == ["a dog", "two"]


@pytest.mark.parametrize("exif", [b"", b"Exif", b"II*\0\xff\0\0\0", structure(entry(270, 2, 99, b"\xff" * 4))])
def test_of_a_broken_structure_no_description_is_read(exif):
    assert tiff.read_descriptions(exif) == []


def test_a_value_that_another_entry_shares_is_not_given_up():
    described = with_tags(structure(entry(256)), True, description=b"a dog runs\0")
    at = tiff.read_directory(described)
    shared = at.find(270).value  # of another tag, whose value is the same text
    data = described[: at.start] + structure(entry(270, 2, 11, shared), entry(285, 2, 11, shared))[8:]
    after = with_tags(data, True, description=b"a cat\0")
    assert tiff.read_tag(after, 285) == b"a dog runs\0" and tiff.read_tag(after, 270) == b"a cat\0"


def test_more_entries_than_a_directory_can_count_are_refused():
    full = b"II*\0\x08\0\0\0\xff\xff" + entry(256) * 0xFFFF + bytes(4)
    with pytest.raises(BrokenMetadata, match="no room for another entry"):
        tiff.set_tags(full, {270: (tiff.ASCII, b"a dog\0")}, reuses_end=True)
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 0x10000) + bytes(20 * 0x10000 + 8)
    with pytest.raises(BrokenMetadata, match="65,536 entries"):
        tiff.read_directory(big)


def test_directories_and_values_begin_at_even_offsets(data):
    directory = tiff.read_directory(with_tags(data, description=b"even\0", xmp=b"odd packet."))
    offsets = [directory.offset_of(directory.find(tag)) for tag in (270, 700)]
    assert [place % 2 for place in (directory.start, *offsets) if place is not None] == [0] * (3 - offsets.count(None))


def test_setting_what_is_set_changes_nothing(data):
    once = with_tags(data, description=b"a dog runs\0")
    assert tiff.set_tags(once, {270: (tiff.ASCII, b"a dog runs\0")}, True) == []


def test_a_block_written_many_times_does_not_grow(data):
    sizes = set()
    for number in range(20):
        data = with_tags(data, True, description=b"a dog runs no. %02d\0" % number, xmp=b"packet no. %02d" % number)
        sizes.add(len(data))
    assert len(sizes) == 1


def test_only_what_was_appended_last_gives_way():
    data = with_tags(KINDS["pages"], description=b"a dog runs\0", xmp=b"a packet")
    for values in ({"description": b"a cat sleeps on it\0"}, {"xmp": b"another packet"}):
        after = with_tags(data, True, **values)
        (other,) = {"description": 270, "xmp": 700}.keys() - values.keys()
        tag = {"description": 270, "xmp": 700}[other]
        assert tiff.read_tag(after, tag) == tiff.read_tag(data, tag)
        assert frames(after) == frames(data)


def test_pixels_in_the_header_are_refused():
    at = KINDS["little-endian"].index(struct.pack("<HHI", 273, 4, 1)) + 8
    broken = KINDS["little-endian"][:at] + struct.pack("<I", 4) + KINDS["little-endian"][at + 4 :]
    with pytest.raises(BrokenMetadata, match="its pixels lie in its header"):
        tiff.replace_blocks(broken, b"<x/>", None)


def test_a_new_exif_block_holds_the_description_alone():
    exif = tiff.described(b"", b"a dog")
    assert [entry.tag for entry in tiff.read_directory(exif).entries] == [270]
    # a header, the text, and a directory of one entry: 270, ASCII, 6 bytes at offset 8, none after it
    assert exif == b"II*\0" + struct.pack("<I", 14) + b"a dog\0" + struct.pack("<HHHIII", 1, 270, 2, 6, 8, 0)


def test_numbers_of_four_bytes_are_read_as_the_bytes_they_are():
    data = KINDS["big-endian"]
    iptc = spliced(data, tiff.set_tags(data, {33723: (tiff.BYTE, b"12345678")}, reuses_end=False))
    at = iptc.index(struct.pack(">HHI", 33723, 1, 8))
    iptc = iptc[:at] + struct.pack(">HHI", 33723, 4, 2) + iptc[at + 8 :]
    assert tiff.read_tag(iptc, 33723) == b"12345678"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no TIFF header"),
        (b"II*\0", "the TIFF header is cut short"),
        (b"II*\0\x04\0\0\0\0\0\0\0", "lies in its header"),
        (b"II*\0\xff\xff\xff\xff", "the first TIFF directory is cut short"),
        (b"II*\0\x08\0\0\0\xff\xff", "the first TIFF directory is cut short"),
        (b"II+\0\x08\0\0\0\x10" + b"\0" * 7 + b"\xff" * 8, "the first TIFF directory is cut short"),
        (b"II*\0" + struct.pack("<IHHHIII", 8, 1, 270, 2, 99, 8, 0), "the value of TIFF tag 270 is cut short"),
    ],
)
def test_broken_structures_are_named(data, reason):
    with pytest.raises(BrokenMetadata, match=reason):
        tiff.read_tag(data, 270)
    with pytest.raises(BrokenMetadata, match=reason):
        tiff.set_tags(data, {270: (tiff.ASCII, b"a dog\0")}, reuses_end=True)


def test_a_file_that_would_grow_beyond_its_offsets_is_refused():
    with pytest.raises(BrokenMetadata, match="4 GB"):
        tiff.LAYOUTS[b"II*\0"].pack_offset(1 << 32)
    assert tiff.LAYOUTS[b"II+\0"].pack_offset(1 << 32) == struct.pack("<Q", 1 << 32)
