"""Previews behind a JPEG's picture to which its EXIF leads, mostly from a MakerNote that only its maker can read.

Their offsets count from a place in EXIF, or from the file's first byte. They cannot be changed, as nobody knows all of
them: so what lies between that place and the preview must keep its size.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import BrokenMetadata, Data

_JPEG = b"\xff\xd8\xff"  # which compressed pixels never hold (ITU T.81, B.1.1.5)
_PIECE = 1 << 20
_MAX_PREVIEWS = 100
_MAKER_NOTE = 0x927C
_TIFF_AT = 10  # bytes of a segment before EXIF's TIFF structure: marker, size, name
_NOTE_BASES = (0, 8, 10, 12)  # in a MakerNote, behind the names that makers begin theirs with


def find_anchor(data: Data, picture_start: int, exif_start: int, exif_stop: int) -> int | None:
    """The place before which bytes may come and go, and behind which none may; None where EXIF leads nowhere.

    picture_start: no preview begins before it. exif_start, exif_stop: of the segment that holds EXIF.
    """
    places = list(_starts_of_jpegs(data, picture_start))
    if not places:
        return None
    exif = data[exif_start + _TIFF_AT : exif_stop]
    if _holds_any(exif, places):
        return 0
    bases = [exif_start + _TIFF_AT + base for base in (0, *_bases_in_note(exif))]
    is_led_to = any(_holds_any(exif, [place - base for place in places]) for base in bases)
    return exif_start if is_led_to else None


def _starts_of_jpegs(data: Data, start: int) -> Iterator[int]:
    num_found = 0
    while piece := data[start : start + _PIECE + len(_JPEG) - 1]:
        at = piece.find(_JPEG)
        while at >= 0 and num_found < _MAX_PREVIEWS:
            yield start + at
            num_found += 1
            at = piece.find(_JPEG, at + 1)
        if num_found == _MAX_PREVIEWS:
            return
        start += _PIECE


def _holds_any(exif: bytes, offsets: list[int]) -> bool:
    """Whether one of the numbers stands there in four bytes, in either order."""
    return any(
        struct.pack(order + "I", offset) in exif for offset in offsets if offset < 1 << 32 for order in ("<", ">")
    )


def _bases_in_note(exif: bytes) -> list[int]:
    """Places from which offsets in the MakerNote may count."""
    with suppress(BrokenMetadata):
        directory = tiff.read_directory(exif)
        pointer = directory.find(tiff.EXIF_IFD)
        if pointer:
            (start,) = struct.unpack(directory.layout.order + directory.layout.offset, pointer.value)
            note = tiff.read_directory(exif, start).find(_MAKER_NOTE)
            offset = directory.offset_of(note) if note else None
            return [] if offset is None else [offset + base for base in _NOTE_BASES]
    return []
