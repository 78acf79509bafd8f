"""Texts of a PNG that hold a block of metadata (PNG, third edition, 11.3.3).

Before PNG had a chunk for EXIF, ImageMagick put whole profiles into texts, as hexadecimal digits under the keyword
"Raw profile type ..."; it and exiv2 still do so for IPTC.
"""

import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from captioner.outputs.metadata.blocks import MAX_BYTES, BrokenMetadata
from captioner.outputs.metadata.iim import iim_of_resources

XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_KEYWORD = XMP_KEYWORD.lower()
MAX_KEYWORD = 80  # bytes, the zero behind it with them
_RAW_KEYWORD = b"raw profile type "
_EXIF_KEYWORDS = (_RAW_KEYWORD + b"exif", _RAW_KEYWORD + b"app1")
# a name, the number of bytes, and the bytes in lines of hexadecimal digits
_RAW = re.compile(rb"\s*[^\n]*\n\s*[0-9]+\s*\n([0-9a-fA-F\s]*)\s*\0?")


class Profile(NamedTuple):
    """kind: exif (a TIFF structure), xmp (a packet) or iim (IPTC datasets)."""

    kind: str
    content: bytes


# how a profile begins, what it is then, and what is made of what follows the beginning
_KINDS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"Exif\0\0", "exif", lambda content: content[6:]),
    (b"II", "exif", bytes),
    (b"MM", "exif", bytes),
    (b"http://ns.adobe.com/xap/1.0/\0", "xmp", lambda content: content.partition(b"\0")[2]),
    (b"Photoshop 3.0\0", "iim", lambda content: iim_of_resources(content.partition(b"\0")[2])),
    (b"8BIM", "iim", iim_of_resources),
    (b"\x1c", "iim", bytes),
)


def is_profile(type_: bytes, head: bytes) -> bool:
    """Whether a chunk of that type whose content begins so is a text that holds a block, XMP in its own chunk apart."""
    keyword = _keyword(head)
    return type_ in _TEXTS and (keyword.startswith(_RAW_KEYWORD) or (type_ != b"iTXt" and keyword == _XMP_KEYWORD))


def may_be_exif(type_: bytes, content: bytes) -> bool:
    """Whether a profile is EXIF, or says so and cannot be read."""
    profile = read_profile(type_, content)
    return profile.kind == "exif" if profile else _keyword(content[:MAX_KEYWORD]) in _EXIF_KEYWORDS


def read_profile(type_: bytes, content: bytes) -> Profile | None:
    """The block that a text holds; None where it is of another kind, or broken."""
    keyword = _keyword(content[:MAX_KEYWORD])
    with suppress(BrokenMetadata):
        text = read_text(type_, content)
        if keyword.startswith(_RAW_KEYWORD):
            raw = _RAW.fullmatch(text)
            with suppress(ValueError):  # an odd number of digits
                text = bytes.fromhex(raw[1].decode()) if raw else b""
        for beginning, kind, made in _KINDS:
            if text.startswith(beginning):
                return Profile(kind, made(text))
        if keyword in (_XMP_KEYWORD, _RAW_KEYWORD + b"xmp"):
            return Profile("xmp", text)
    return None


def read_text(type_: bytes, content: bytes) -> bytes:
    """The text of a chunk, behind its keyword. Raises: BrokenMetadata."""
    return _TEXTS[type_](content.partition(b"\0")[2])


def _keyword(head: bytes) -> bytes:
    return head.partition(b"\0")[0].lower()


def _international(content: bytes) -> bytes:
    """Flag, method, language, translated keyword, text (PNG 11.3.3.4)."""
    flags, parts = content[:2], content[2:].split(b"\0", 2)
    if len(flags) != 2 or len(parts) != 3 or flags[0] > 1:
        raise BrokenMetadata("broken PNG (its XMP is cut short)")
    return _inflated(parts[2]) if flags[0] else parts[2]


def _inflated(content: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise BrokenMetadata(f"broken PNG (its XMP cannot be decompressed: {error})") from error
    if not inflater.eof:
        raise BrokenMetadata("broken PNG (its compressed XMP is cut short, or endless)")
    return text


_TEXTS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": bytes,
    b"zTXt": lambda content: _inflated(content[1:]),  # behind the method, of which there is one
    b"iTXt": _international,
}
