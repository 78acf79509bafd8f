"""The segments of a JPEG file (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP_MARKERS = frozenset(range(0xE0, 0xF0))
# Without stuffed zeros and restarts, which belong to the coded data of a scan.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")


@dataclass(frozen=True)
class Segment:
    """start, stop: of the segment with its marker; a scan's coded data lies behind its segment."""

    marker: int
    payload: bytes
    start: int
    stop: int


def segments(content: bytes) -> Iterator[Segment]:
    """The segments behind the start of the image, in order, to its end."""
    position = 2
    while found := _MARKER.search(content, position):
        marker, behind = content[found.start() + 1], found.end()
        stop = behind if marker in (SOI, EOI) else behind + int.from_bytes(content[behind : behind + 2], "big")
        yield Segment(marker, content[behind + 2 : stop], found.start(), stop)
        if marker == EOI:
            return
        position = max(stop, behind)
