"""TIFF structures: TIFF files, and the EXIF block of every other format (TIFF 6.0; BigTIFF; Exif 2.32, 4.5).

Tags are set in the first directory (IFD0) alone. The new values and a new IFD0 go to the end, so that every offset
of the structure stays valid: those of strips, tiles, thumbnails and further pages, and those in a MakerNote, which
only the maker of the camera can read.
"""

import struct
from contextlib import suppress
from dataclasses import dataclass

from captioner.outputs.metadata.blocks import Blocks, BrokenMetadata, Data, Splice, check_size, spliced, unpack
from captioner.outputs.metadata.iim import decoded, iim_of_resources

IMAGE_DESCRIPTION, STRIP_OFFSETS, TILE_OFFSETS, XMP, IPTC, PHOTOSHOP = 270, 273, 324, 700, 33723, 34377
EXIF_IFD = 0x8769  # the directory of Exif's own tags, MakerNote among them
BYTE, ASCII = 1, 2
_MAX_ENTRIES = 0xFFFF  # of a directory, as all but BigTIFF can count
EMPTY = b"II*\0\x08\0\0\0" + b"\0\0" + b"\0\0\0\0"  # an IFD0 of no entries, and no directory after it

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(frozen=True)
class Layout:
    """How numbers are laid out: `struct` letters of the byte order, of an offset, and of a count of entries."""

    order: str
    offset: str
    entry_count: str
    first_ifd_at: int

    @property
    def offset_size(self) -> int:
        return struct.calcsize(self.offset)

    @property
    def header_size(self) -> int:
        return self.first_ifd_at + self.offset_size

    @property
    def entry(self) -> str:
        """Tag, type, number of values, and the values or their offset."""
        return f"{self.order}HH{self.offset}{self.offset_size}s"

    def pack_offset(self, offset: int) -> bytes:
        if offset >> 8 * self.offset_size:
            raise BrokenMetadata("would grow beyond the 4 GB that a TIFF can hold")
        return struct.pack(self.order + self.offset, offset)


LAYOUTS = {
    b"II*\0": Layout("<", "I", "H", 4),
    b"MM\0*": Layout(">", "I", "H", 4),
    b"II+\0": Layout("<", "Q", "Q", 8),
    b"MM\0+": Layout(">", "Q", "Q", 8),
}


@dataclass(frozen=True)
class Entry:
    tag: int
    type: int
    count: int
    value: bytes  # or its offset, as it stands in the entry

    @property
    def size(self) -> int:
        return self.count * _TYPE_SIZES.get(self.type, 1)


@dataclass(frozen=True)
class Directory:
    layout: Layout
    start: int
    stop: int
    entries: tuple[Entry, ...]
    next_offset: bytes

    def find(self, tag: int) -> Entry | None:
        return next(iter(self.find_all(tag)), None)

    def find_all(self, tag: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.tag == tag]

    def offset_of(self, entry: Entry) -> int | None:
        """Where the value begins; None for one that fits into its entry."""
        if entry.size <= self.layout.offset_size:
            return None
        return struct.unpack(self.layout.order + self.layout.offset, entry.value)[0]


def read_directory(data: Data, start: int | None = None) -> Directory:
    """The directory at `start`, or IFD0. Raises: BrokenMetadata."""
    layout = LAYOUTS.get(bytes(data[:4]))
    if layout is None:
        raise BrokenMetadata("broken EXIF or MPF (it has no TIFF header)")
    if start is None:
        (start,) = unpack(layout.order + layout.offset, data, layout.first_ifd_at, "the TIFF header")
    if start < layout.header_size:
        raise BrokenMetadata("broken TIFF structure (its first directory lies in its header)")
    (count,) = unpack(layout.order + layout.entry_count, data, start, "the first TIFF directory")
    first = start + struct.calcsize(layout.entry_count)
    stop = first + count * struct.calcsize(layout.entry)
    if stop + layout.offset_size > len(data):
        raise BrokenMetadata("the first TIFF directory is cut short")
    if count > _MAX_ENTRIES:
        raise BrokenMetadata(f"broken TIFF structure (its first directory has {count:,} entries)")
    entries = tuple(Entry(*fields) for fields in struct.iter_unpack(layout.entry, data[first:stop]))
    return Directory(layout, start, stop + layout.offset_size, entries, data[stop : stop + layout.offset_size])


def read_tag(data: Data, tag: int) -> bytes:
    """The bytes of a tag of IFD0, empty where there is none. Raises: BrokenMetadata."""
    directory = read_directory(data)
    entry = directory.find(tag)
    return _value(data, directory, entry) if entry else b""


def read_descriptions(exif: Data) -> list[str]:
    """Every ImageDescription of IFD0 that can be read, in order; none of what is broken."""
    found = []
    with suppress(BrokenMetadata):
        directory = read_directory(exif)
        for entry in directory.find_all(IMAGE_DESCRIPTION):
            with suppress(BrokenMetadata):
                found.append(decoded(_value(exif, directory, entry)))
    return found


def _value(data: Data, directory: Directory, entry: Entry) -> bytes:
    check_size(entry.size, f"TIFF tag {entry.tag}")
    offset = directory.offset_of(entry)
    if offset is None:
        return entry.value[: entry.size]
    if offset + entry.size > len(data):
        raise BrokenMetadata(f"the value of TIFF tag {entry.tag} is cut short")
    return data[offset : offset + entry.size]


def set_tags(data: Data, values: dict[int, tuple[int, bytes]], reuses_end: bool) -> list[Splice]:
    """What gives tags of IFD0 those types and bytes; nothing where they have them already.

    values: `(type, bytes)` by tag, types of one byte only. reuses_end: what the last call appended gives way, so
    that the structure does not grow with every call; else all bytes stay but the offset of IFD0.
    Entries that are there keep their order, whatever it is: readers reject a directory that begins with a damaged one.
    Raises: BrokenMetadata.
    """
    directory = read_directory(data)
    layout = directory.layout
    new = {tag: value for tag, value in values.items() if value != _typed_value(data, directory, tag)}
    if not new:
        return []
    keep = _appended_last(len(data), directory, new) if reuses_end else len(data)
    entries = list(directory.entries)
    tail = bytearray()
    for tag, (type_, value) in new.items():
        inline = value.ljust(layout.offset_size, b"\0")
        if len(value) > layout.offset_size:
            tail += b"\0" * ((keep + len(tail)) % 2)  # TIFF 6.0, section 2: values begin at even offsets, too
            inline = layout.pack_offset(keep + len(tail))
            tail += value
        _put(entries, Entry(tag, type_, len(value), inline))
    if len(entries) > _MAX_ENTRIES:
        raise BrokenMetadata("no room for another entry in its first TIFF directory")
    tail += b"\0" * ((keep + len(tail)) % 2)
    start = keep + len(tail)
    tail += struct.pack(layout.order + layout.entry_count, len(entries))
    for entry in entries:
        tail += struct.pack(layout.entry, entry.tag, entry.type, entry.count, entry.value)
    tail += directory.next_offset
    layout.pack_offset(keep + len(tail))  # a reader must be able to reach the end
    header = Splice(layout.first_ifd_at, layout.header_size, layout.pack_offset(start))
    return [header, Splice(keep, len(data), bytes(tail))]


def _put(entries: list[Entry], new: Entry) -> None:
    """In place of the first of its tag, or else before the first of a higher one (TIFF 6.0, section 2)."""
    for place, entry in enumerate(entries):
        if entry.tag == new.tag:
            entries[place] = new
            return
    entries.insert(next((i for i, entry in enumerate(entries) if entry.tag > new.tag), len(entries)), new)


def _typed_value(data: Data, directory: Directory, tag: int) -> tuple[int, bytes] | None:
    entry = directory.find(tag)
    return (entry.type, _value(data, directory, entry)) if entry else None


def _appended_last(size: int, directory: Directory, tags: dict[int, tuple]) -> int:
    """Where that part of the structure begins that nothing else points into, as the last call appended it.

    It is IFD0 at the very end with values of the same tags right before it.
    """
    if directory.stop != size:
        return size
    keep = directory.start
    owned = [(directory.offset_of(entry), entry) for entry in directory.entries if entry.tag in tags]
    for offset, entry in sorted(((o, e) for o, e in owned if o is not None), key=lambda pair: -pair[0]):
        if keep - 1 <= offset + entry.size <= keep and offset >= directory.layout.header_size:
            keep = offset
    others = (directory.offset_of(entry) for entry in directory.entries if entry.tag not in tags)
    return size if any(offset is not None and keep <= offset < size for offset in others) else keep


def described(exif: bytes, description: bytes) -> bytes:
    """The EXIF block, made where there is none, with that ImageDescription (Exif 2.32, 4.6.4: tag 270 of IFD0).

    A new block holds nothing else: what Exif asks for besides, such as a resolution, would be made up.
    """
    exif = exif or EMPTY
    return spliced(exif, set_tags(exif, {IMAGE_DESCRIPTION: ascii_value(description)}, reuses_end=True))


def ascii_value(text: bytes) -> tuple[int, bytes]:
    return ASCII, text + b"\0"


def read_blocks(data: Data) -> Blocks:
    """XMP: tag 700 (XMP part 3, 1.1.6). IPTC: tag 33723, and in Photoshop's resources, tag 34377."""
    iims = (read_tag(data, IPTC), iim_of_resources(read_tag(data, PHOTOSHOP)))
    directory = read_directory(data)
    others = tuple(_value(data, directory, entry) for entry in directory.find_all(XMP)[1:])
    return Blocks(xmp=read_tag(data, XMP), exif=data, iims=iims, other_xmps=others)


def replace_blocks(data: Data, xmp: bytes | None, description: bytes | None) -> list[Splice]:
    """What puts that packet and that ImageDescription into the file; None leaves one as it is."""
    values = {}
    if description is not None:
        values[IMAGE_DESCRIPTION] = ascii_value(description)
    if xmp is not None:
        values[XMP] = (BYTE, xmp)
    _check_pixels(data)
    return set_tags(data, values, reuses_end=False)


def _check_pixels(data: Data) -> None:
    """Raises: BrokenMetadata when strips or tiles lie in the header, of which a part is going to change."""
    directory = read_directory(data)
    for tag in (STRIP_OFFSETS, TILE_OFFSETS):
        entry = directory.find(tag)
        letter = {3: "H", 4: "I", 16: "Q"}.get(entry.type) if entry else None
        if letter:
            places = struct.iter_unpack(directory.layout.order + letter, _value(data, directory, entry))
            if any(place < directory.layout.header_size for (place,) in places):
                raise BrokenMetadata("broken TIFF (its pixels lie in its header)")
