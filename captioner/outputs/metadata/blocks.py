"""What the containers have in common: the blocks of metadata in a photo, bytes read where they lie, and splices."""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

MAX_BYTES = 1 << 26  # of a block that is read; XMP with masks of painted strokes has a few megabytes
MAX_PARTS = 1 << 18  # chunks or segments of a file: libpng writes 8 KB into each, which makes 2 GB
_PIECE = 1 << 20  # bytes copied at a time


class BrokenMetadata(ValueError):
    """A container, or a block in it, is not what its specification says; the text is what follows a file's name."""


class FileBytes:
    """The bytes of an open file, read when sliced, so that a photo of a gigabyte takes no memory."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.status = os.fstat(file.fileno())

    def __len__(self) -> int:
        return self.status.st_size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        self.file.seek(start)
        return self.file.read(max(0, stop - start))


Data = bytes | FileBytes


@dataclass(frozen=True)
class Blocks:
    """The blocks of a photo in which captions live; empty where there is none.

    xmp: the packet that is written into. exif: a TIFF structure, likewise; a TIFF file is one itself. iims: IPTC
    datasets, of every place. other_xmps, other_exifs: further ones, which are only read.
    """

    xmp: bytes = b""
    exif: Data = b""
    iims: tuple[bytes, ...] = ()
    other_xmps: tuple[bytes, ...] = ()
    other_exifs: tuple[bytes, ...] = ()


class Splice(NamedTuple):
    """The bytes from `start` up to `stop` give way to `content`."""

    start: int
    stop: int
    content: bytes

    @property
    def growth(self) -> int:
        return len(self.content) - (self.stop - self.start)


def spliced(data: bytes, splices: Iterable[Splice]) -> bytes:
    """The data with all splices made; insertions at one place follow each other as they are given."""
    pieces, done = [], 0
    for splice in _in_order(splices):
        assert splice.start >= done, "splices overlap"
        pieces += [data[done : splice.start], splice.content]
        done = splice.stop
    return b"".join([*pieces, data[done:]])


def write_spliced(data: FileBytes, splices: Iterable[Splice], target: BinaryIO) -> None:
    """What `spliced` would return, copied from file to file piece by piece.

    Raises: OSError; BrokenMetadata when the file became shorter meanwhile.
    """
    done = 0
    for splice in [*_in_order(splices), Splice(len(data), len(data), b"")]:
        assert splice.start >= done, "splices overlap"
        for start in range(done, splice.start, _PIECE):
            stop = min(start + _PIECE, splice.start)
            piece = data[start:stop]
            if len(piece) != stop - start:
                raise BrokenMetadata("became shorter while it was copied")
            target.write(piece)
        target.write(splice.content)
        done = splice.stop


def _in_order(splices: Iterable[Splice]) -> list[Splice]:
    return sorted(splices, key=lambda splice: (splice.start, splice.stop))


def check_size(size: int, what: str) -> None:
    """Raises: BrokenMetadata for more bytes than honest metadata have."""
    if size > MAX_BYTES:
        raise BrokenMetadata(f"{what} of {size / 1e6:,.0f} MB, more than the {MAX_BYTES / 1e6:,.0f} MB that are read")


def unpack(layout: str, data: Data, at: int, what: str) -> tuple:
    """The values of a `struct` layout that begin at `at`.

    Raises: BrokenMetadata when the data end before them.
    """
    piece = data[at : at + struct.calcsize(layout)]
    if len(piece) != struct.calcsize(layout):
        raise BrokenMetadata(f"{what} is cut short")
    return struct.unpack(layout, piece)
