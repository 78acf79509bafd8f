"""PNG: chunks between signature and IEND (PNG, third edition, 5 and 11.3; XMP part 3, 1.1.5)."""

import struct
import zlib
from contextlib import suppress
from typing import NamedTuple

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import MAX_PARTS, Blocks, BrokenMetadata, Data, Splice, check_size, unpack
from captioner.outputs.metadata.png_texts import (
    MAX_KEYWORD,
    XMP_KEYWORD,
    Profile,
    is_profile,
    may_be_exif,
    read_profile,
    read_text,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_BEGINNING = XMP_KEYWORD + b"\0"


class Chunk(NamedTuple):
    type: bytes
    start: int
    stop: int

    def head(self, data: Data, size: int) -> bytes:
        """The first bytes of its content."""
        return data[self.start + 8 : min(self.start + 8 + size, self.stop - 4)]

    def content(self, data: Data) -> bytes:
        """Raises: BrokenMetadata when it is not what its checksum says, or too large to be metadata."""
        check_size(self.stop - self.start, f"a PNG chunk {self.type!r}")
        content = data[self.start + 8 : self.stop - 4]
        if zlib.crc32(self.type + content) != int.from_bytes(data[self.stop - 4 : self.stop]):
            raise BrokenMetadata(f"broken PNG (the checksum of its {self.type.decode()} is wrong)")
        return content


def read_chunks(data: Data) -> list[Chunk]:
    """All up to IEND; what follows it is left alone. Raises: BrokenMetadata."""
    chunks, at = [], len(SIGNATURE)
    while not chunks or chunks[-1].type != b"IEND":
        size, type_ = unpack(">I4s", data, at, "a PNG chunk")
        stop = at + 12 + size
        if not (type_.isascii() and type_.isalpha()) or stop > len(data):
            raise BrokenMetadata("broken PNG (a chunk is cut short)")
        if len(chunks) == MAX_PARTS:
            raise BrokenMetadata(f"broken PNG (more than {MAX_PARTS:,} chunks)")
        chunks.append(Chunk(type_, at, stop))
        at = stop
    if chunks[0].type != b"IHDR" or not any(chunk.type == b"IDAT" for chunk in chunks):
        raise BrokenMetadata("broken PNG (it holds no picture)")
    return chunks


def read_blocks(data: Data) -> Blocks:
    """A packet in another chunk than its own is taken for it where there is no other. Raises: BrokenMetadata."""
    chunks = read_chunks(data)
    profiles = _read_profiles(data, chunks)
    xmps = [read_text(b"iTXt", chunk.content(data)) for chunk in _find_xmps(data, chunks)]
    xmps += [profile.content for profile in profiles if profile.kind == "xmp"]
    exifs = [profile.content for profile in profiles if profile.kind == "exif"]
    return Blocks(
        xmp=xmps[0] if xmps else b"",
        exif=_exif(data, chunks),
        iims=tuple(profile.content for profile in profiles if profile.kind == "iim"),
        other_xmps=tuple(xmps[1:]),
        other_exifs=tuple(exifs),
    )


def replace_blocks(data: Data, xmp: bytes | None, description: bytes | None) -> list[Splice]:
    """What puts that packet and that ImageDescription into the picture; None leaves one as it is.

    New chunks come before the picture data, as readers expect that stop there. Raises: BrokenMetadata.
    """
    chunks = read_chunks(data)
    place = next(chunk.start for chunk in chunks if chunk.type == b"IDAT")
    splices = []
    if description is not None:
        old = _find_exif(chunks)
        if old is None and any(may_be_exif(chunk.type, chunk.content(data)) for chunk in _profiles(data, chunks)):
            raise BrokenMetadata("its EXIF is a text, which an EXIF chunk would hide, the photo's orientation with it")
        exif = tiff.described(old.content(data) if old else b"", description)
        splices.append(_splice(old, place, b"eXIf", exif))
    if xmp is not None:
        # not compressed, no language, no translated keyword: XMP part 3, 1.1.5
        splices.append(
            _splice(next(iter(_find_xmps(data, chunks)), None), place, b"iTXt", _XMP_BEGINNING + b"\0\0\0\0" + xmp)
        )
    return splices


def _splice(old: Chunk | None, place: int, type_: bytes, content: bytes) -> Splice:
    start, stop = (old.start, old.stop) if old else (place, place)
    checksum = zlib.crc32(type_ + content)
    return Splice(start, stop, struct.pack(">I4s", len(content), type_) + content + struct.pack(">I", checksum))


def _find_exif(chunks: list[Chunk]) -> Chunk | None:
    return next((chunk for chunk in chunks if chunk.type == b"eXIf"), None)


def _exif(data: Data, chunks: list[Chunk]) -> bytes:
    """Empty where its checksum is wrong: the picture is whole without it, and nobody can read it."""
    chunk = _find_exif(chunks)
    with suppress(BrokenMetadata):
        return chunk.content(data) if chunk else b""
    return b""


def _find_xmps(data: Data, chunks: list[Chunk]) -> list[Chunk]:
    texts = (chunk for chunk in chunks if chunk.type == b"iTXt")
    return [chunk for chunk in texts if chunk.head(data, len(_XMP_BEGINNING)) == _XMP_BEGINNING]


def _read_profiles(data: Data, chunks: list[Chunk]) -> list[Profile]:
    """Those that can be read: the picture is whole without the others."""
    found = []
    for chunk in _profiles(data, chunks):
        with suppress(BrokenMetadata):
            profile = read_profile(chunk.type, chunk.content(data))
            found += [profile] if profile else []
    return found


def _profiles(data: Data, chunks: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if is_profile(chunk.type, chunk.head(data, MAX_KEYWORD))]
