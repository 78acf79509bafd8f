"""PNG: chunks between signature and IEND (PNG, third edition, 5 and 11.3; XMP part 3, 1.1.5)."""

import struct
import zlib
from typing import NamedTuple

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import Blocks, BrokenMetadata, Data, Splice, unpack

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_MOST_XMP = 1 << 26  # bytes that a compressed packet may become: more is made to fill memory


class Chunk(NamedTuple):
    type: bytes
    start: int
    stop: int

    def content(self, data: Data) -> bytes:
        """Raises: BrokenMetadata when it is not what its checksum says."""
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
        chunks.append(Chunk(type_, at, stop))
        at = stop
    if chunks[0].type != b"IHDR" or not any(chunk.type == b"IDAT" for chunk in chunks):
        raise BrokenMetadata("broken PNG (it holds no picture)")
    return chunks


def read_blocks(data: Data) -> Blocks:
    """Raises: BrokenMetadata."""
    chunks = read_chunks(data)
    xmp, exif = _find_xmp(data, chunks), _find_exif(chunks)
    return Blocks(xmp=_packet(xmp.content(data)) if xmp else b"", exif=exif.content(data) if exif else b"")


def replace_blocks(data: Data, xmp: bytes | None, description: bytes | None) -> list[Splice]:
    """What puts that packet and that ImageDescription into the picture; None leaves one as it is.

    New chunks come before the picture data, as readers expect that stop there. Raises: BrokenMetadata.
    """
    chunks = read_chunks(data)
    place = next(chunk.start for chunk in chunks if chunk.type == b"IDAT")
    splices = []
    if description is not None:
        old = _find_exif(chunks)
        exif = tiff.described(old.content(data) if old else b"", description)
        splices.append(_splice(old, place, b"eXIf", exif))
    if xmp is not None:
        # not compressed, no language, no translated keyword: XMP part 3, 1.1.5
        splices.append(_splice(_find_xmp(data, chunks), place, b"iTXt", XMP_KEYWORD + b"\0\0\0\0" + xmp))
    return splices


def _splice(old: Chunk | None, place: int, type_: bytes, content: bytes) -> Splice:
    start, stop = (old.start, old.stop) if old else (place, place)
    checksum = zlib.crc32(type_ + content)
    return Splice(start, stop, struct.pack(">I4s", len(content), type_) + content + struct.pack(">I", checksum))


def _find_exif(chunks: list[Chunk]) -> Chunk | None:
    return next((chunk for chunk in chunks if chunk.type == b"eXIf"), None)


def _find_xmp(data: Data, chunks: list[Chunk]) -> Chunk | None:
    for chunk in chunks:
        if chunk.type == b"iTXt" and data[chunk.start + 8 : chunk.start + 8 + len(XMP_KEYWORD)] == XMP_KEYWORD:
            return chunk
    return None


def _packet(content: bytes) -> bytes:
    """The text of an iTXt chunk (PNG 11.3.3.4): keyword, flag, method, language, translated keyword, text."""
    flags, rest = content[len(XMP_KEYWORD) :][:2], content[len(XMP_KEYWORD) + 2 :]
    parts = rest.split(b"\0", 2)
    if len(flags) != 2 or len(parts) != 3 or flags[0] > 1:
        raise BrokenMetadata("broken PNG (its XMP is cut short)")
    if flags[0] == 0:
        return parts[2]
    try:
        inflater = zlib.decompressobj()
        packet = inflater.decompress(parts[2], _MOST_XMP)
    except zlib.error as error:
        raise BrokenMetadata(f"broken PNG (its XMP cannot be decompressed: {error})") from error
    if not inflater.eof:
        raise BrokenMetadata("broken PNG (its compressed XMP is cut short, or endless)")
    return packet
