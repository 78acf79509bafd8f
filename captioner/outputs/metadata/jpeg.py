"""JPEG: segments in front of the picture (ITU T.81, annex B; XMP part 3, 1.1.3; Exif 2.32, 4.7; CIPA DC-007, MPF)."""

import re
import struct
from typing import NamedTuple

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import MAX_PARTS, Blocks, BrokenMetadata, Data, Splice, unpack
from captioner.outputs.metadata.iim import iim_of_resources
from captioner.outputs.metadata.previews import find_anchor
from captioner.outputs.metadata.xmp import padded, without_padding

EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
MPF = b"MPF\0"
MOST_XMP = 65502  # bytes of a packet, XMP part 3, 1.1.3
MOST_EXIF = 0xFFFF - 2 - len(EXIF)

_APP0, _APP1, _APP2, _APP13, _SOS, _EOI, _SOI = 0xE0, 0xE1, 0xE2, 0xED, 0xDA, 0xD9, 0xD8
_ALONE = {0x01, *range(0xD0, 0xD8)}  # TEM and RSTn have no length, T.81 B.1.1.3
_MP_ENTRIES = 0xB002
_LIKE_EXIF = re.compile(rb".{0,4}Exif\0", re.DOTALL | re.IGNORECASE)  # which some readers take for it
_FILL_PIECE = 1 << 16  # bytes that are looked at together


class Segment(NamedTuple):
    marker: int
    start: int
    stop: int
    name: bytes  # the first bytes of its content, which tell one APPn from another

    def content(self, data: Data) -> bytes:
        return data[self.stop - self.size : self.stop]

    @property
    def size(self) -> int:
        return self.stop - self.start - 4


def read_segments(data: Data) -> list[Segment]:
    """All before the first scan. Raises: BrokenMetadata."""
    segments, at = [], 2
    for _ in range(MAX_PARTS):
        at = _behind_fill(data, at)
        mark, marker = unpack(">BB", data, at, "a JPEG segment")
        if mark != 0xFF or marker in (0x00, _SOI, _EOI):
            raise BrokenMetadata("broken JPEG (no segment where one must begin)")
        if marker == _SOS:
            return segments
        size = 0 if marker in _ALONE else unpack(">H", data, at + 2, "a JPEG segment")[0]
        if (marker not in _ALONE and size < 2) or at + 2 + size > len(data):
            raise BrokenMetadata("broken JPEG (a segment is cut short)")
        if marker not in _ALONE:
            segments.append(Segment(marker, at, at + 2 + size, data[at + 4 : min(at + 2 + size, at + 4 + len(XMP))]))
        at += 2 + size
    raise BrokenMetadata(f"broken JPEG (more than {MAX_PARTS:,} segments)")


def _behind_fill(data: Data, at: int) -> int:
    """Where the last of the bytes 0xFF stands that begin there; all before it are fill bytes (T.81 B.1.1.2)."""
    start = at
    while piece := data[at : at + _FILL_PIECE]:
        left = piece.lstrip(b"\xff")
        at += len(piece) - len(left)
        if left:
            break
    return max(start, at - 1)


def _named(segments: list[Segment], marker: int, name: bytes) -> list[Segment]:
    return [segment for segment in segments if segment.marker == marker and segment.name.startswith(name)]


def read_blocks(data: Data) -> Blocks:
    """Raises: BrokenMetadata."""
    segments = read_segments(data)
    xmps = [segment.content(data)[len(XMP) :] for segment in _named(segments, _APP1, XMP)] or [b""]
    exifs = [segment.content(data)[len(EXIF) :] for segment in _named(segments, _APP1, EXIF)] or [b""]
    photoshop = [s.content(data)[len(PHOTOSHOP) :] for s in _named(segments, _APP13, PHOTOSHOP)]
    return Blocks(
        xmp=xmps[0],
        exif=exifs[0],
        iims=(iim_of_resources(b"".join(photoshop)),),  # resources may go on in the next segment
        other_xmps=tuple(xmps[1:]),
        other_exifs=tuple(exifs[1:]),
    )


def replace_blocks(data: Data, xmp: bytes | None, description: bytes | None) -> list[Splice]:
    """What puts that packet and that ImageDescription into the photo; None leaves one as it is.

    From the first scan on nothing changes, nor do further parts of a long packet (ExtendedXMP). What EXIF leads to
    behind the picture stays as far from EXIF as it was.
    Raises: BrokenMetadata.
    """
    segments = read_segments(data)
    old_xmp, old_exif = _named(segments, _APP1, XMP), _named(segments, _APP1, EXIF)
    anchor = find_anchor(data, segments[-1].stop, old_exif[0].start, old_exif[0].stop) if old_exif else None
    splices = []
    if description is not None:
        if len(old_exif) > 1:
            raise BrokenMetadata("its EXIF goes over several segments, which cannot be added to")
        if not old_exif and any(s.marker == _APP1 and _LIKE_EXIF.match(s.name) for s in segments):
            raise BrokenMetadata("its EXIF begins in a way of its own, and a new one would hide it")
        exif = tiff.described(old_exif[0].content(data)[len(EXIF) :] if old_exif else b"", description)
        if len(exif) > MOST_EXIF:
            raise BrokenMetadata("no room for a description in its EXIF (a JPEG takes 64 KB)")
        splices.append(_splice(old_exif, _exif_place(segments), EXIF + exif))
    if xmp is not None:
        if old_xmp and anchor is not None and old_xmp[0].stop > anchor:
            xmp = padded(xmp, old_xmp[0].size - len(XMP))
        if len(xmp) > MOST_XMP:
            xmp = without_padding(xmp)
        if len(xmp) > MOST_XMP:
            raise BrokenMetadata(f"no room for a caption in its XMP (a JPEG takes {MOST_XMP} bytes)")
        splices.append(_splice(old_xmp, _xmp_place(segments, old_exif, anchor), XMP + xmp))
    if anchor is not None and any(splice.growth and splice.stop > anchor for splice in splices):
        raise BrokenMetadata("a preview behind its end, to which its EXIF leads, would not be found again")
    return [*splices, *_told_to_index(data, segments, splices)]


def _splice(old: list[Segment], place: int, content: bytes) -> Splice:
    start, stop = (old[0].start, old[0].stop) if old else (place, place)
    return Splice(start, stop, struct.pack(">BBH", 0xFF, _APP1, len(content) + 2) + content)


def _exif_place(segments: list[Segment]) -> int:
    """Behind JFIF, which asks to be the first (JFIF 1.02), before all else."""
    place = 2
    for segment in segments:
        if segment.marker != _APP0:
            break
        place = segment.stop
    return place


def _xmp_place(segments: list[Segment], exif: list[Segment], anchor: int | None) -> int:
    """Behind JFIF and EXIF, of which no segment may be parted from the next, but before MPF and before an anchor."""
    mpf = _named(segments, _APP2, MPF)
    is_behind_exif = exif and anchor is None and not (mpf and mpf[0].start < exif[-1].start)
    return exif[-1].stop if is_behind_exif else _exif_place(segments)


def _told_to_index(data: Data, segments: list[Segment], splices: list[Splice]) -> list[Splice]:
    """What tells an MPF index the new size of the first picture (CIPA DC-007, MP Entry: 16 bytes each).

    The offsets of the further pictures count from the index's own header. As long as sizes change only before it,
    all of them stay right; behind it, they would lead astray.
    """
    mpf = _named(segments, _APP2, MPF)
    growth = sum(splice.growth for splice in splices)
    if not mpf or not growth:
        return []
    if any(splice.growth and splice.start > mpf[0].start for splice in splices):
        raise BrokenMetadata("an index of further pictures (MPF) before its XMP or EXIF leaves no room to change them")
    index = mpf[0].content(data)[len(MPF) :]
    directory = tiff.read_directory(index)
    entries = directory.find(_MP_ENTRIES)
    at = directory.offset_of(entries) if entries else None
    if at is None:
        return []
    number = directory.layout.order + "I"
    (size,) = unpack(number, index, at + 4, "the index of further pictures (MPF)")
    start = mpf[0].start + 4 + len(MPF) + at + 4
    return [Splice(start, start + 4, struct.pack(number, (size + growth) & 0xFFFFFFFF))]
