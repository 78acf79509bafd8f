"""The caption in IPTC-IIM datasets, which is read and never written (IPTC-NAA IIM 4.2; Photoshop File Formats).

A block that breaks off is read as far as it goes: nothing is written into it, and the photo is whole without it.
"""

import struct
from collections.abc import Iterator

_IIM_RESOURCE = 0x0404
_CAPTION_ABSTRACT = (2, 120)


def caption_abstract(iim: bytes) -> str:
    """Dataset 2:120, empty where there is none."""
    return next((decoded(value) for name, value in _datasets(iim) if name == _CAPTION_ABSTRACT), "")


def _datasets(iim: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """`(record, dataset)` and bytes of each (IIM 4.2, 1.5: a tag marker, two numbers, a length, the value)."""
    at = 0
    while iim[at : at + 1] == b"\x1c" and at + 5 <= len(iim):
        record, dataset, size = struct.unpack(">BBH", iim[at + 1 : at + 5])
        at += 5
        if size & 0x8000:  # an extended dataset: the length of the length
            size, at = int.from_bytes(iim[at : at + (size & 0x7FFF)]), at + (size & 0x7FFF)
        yield (record, dataset), iim[at : at + size]
        at += size


def iim_of_resources(resources: bytes) -> bytes:
    """The IIM datasets among Photoshop's image resources, empty where there are none.

    A resource: "8BIM", a number, a Pascal string and the data behind their length, both padded to even.
    """
    at = 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        (number,) = struct.unpack(">H", resources[at + 4 : at + 6])
        at += 6 + (resources[at + 6] // 2 + 1) * 2
        size = int.from_bytes(resources[at : at + 4])
        if number == _IIM_RESOURCE:
            return resources[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return b""


def decoded(value: bytes) -> str:
    """Text of a block that does not say how it is encoded: UTF-8 where it can be, else Latin-1."""
    value = value.rstrip(b"\0")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
