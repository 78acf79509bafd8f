"""WebP: chunks of a RIFF file (RFC 9649, 2)."""

import struct
from typing import NamedTuple

from captioner.outputs.metadata import tiff
from captioner.outputs.metadata.blocks import MAX_PARTS, Blocks, BrokenMetadata, Data, Splice, check_size, unpack
from captioner.outputs.metadata.jpeg import EXIF as EXIF_PREFIX

_EXIF_FLAG, _XMP_FLAG, _ALPHA_FLAG = 0x08, 0x04, 0x10  # of the first byte of VP8X, RFC 9649, 2.7
_FIRST = 12  # where the first chunk begins


class Chunk(NamedTuple):
    type: bytes
    start: int
    stop: int  # behind the padding
    size: int

    def content(self, data: Data) -> bytes:
        """Raises: BrokenMetadata when it is too large to be metadata."""
        check_size(self.size, f"a WebP chunk {self.type!r}")
        return data[self.start + 8 : self.start + 8 + self.size]

    def head(self, data: Data) -> bytes:
        """The first ten bytes of its content, which describe a picture."""
        return data[self.start + 8 : self.start + 8 + min(self.size, 10)]


def read_chunks(data: Data) -> list[Chunk]:
    """All that the RIFF header counts; what follows is left alone. Raises: BrokenMetadata."""
    end = 8 + unpack("<I", data, 4, "the WebP header")[0]
    if end > len(data):
        raise BrokenMetadata("broken WebP (it is cut short)")
    chunks, at = [], _FIRST
    while at < end:
        type_, size = unpack("<4sI", data, at, "a WebP chunk")
        if at + 8 + size > end:
            raise BrokenMetadata("broken WebP (a chunk is cut short)")
        if len(chunks) == MAX_PARTS:
            raise BrokenMetadata(f"broken WebP (more than {MAX_PARTS:,} chunks)")
        chunks.append(Chunk(type_, at, min(at + 8 + size + size % 2, end), size))
        at += 8 + size + size % 2
    if not chunks or chunks[0].type not in _EXTENDED:
        raise BrokenMetadata("broken WebP (it holds no picture)")
    return chunks


def read_blocks(data: Data) -> Blocks:
    """Raises: BrokenMetadata."""
    chunks = read_chunks(data)
    xmps = [chunk.content(data) for chunk in chunks if chunk.type == b"XMP "] or [b""]
    exifs = [chunk.content(data).removeprefix(EXIF_PREFIX) for chunk in chunks if chunk.type == b"EXIF"] or [b""]
    return Blocks(xmp=xmps[0], exif=exifs[0], other_xmps=tuple(xmps[1:]), other_exifs=tuple(exifs[1:]))


def replace_blocks(data: Data, xmp: bytes | None, description: bytes | None) -> list[Splice]:
    """What puts that packet and that ImageDescription into the picture; None leaves one as it is.

    New chunks go to the end, EXIF before XMP (RFC 9649, 2.7). Raises: BrokenMetadata.
    """
    chunks = read_chunks(data)
    old_exif, old_xmp = _find(chunks, b"EXIF"), _find(chunks, b"XMP ")
    end, flags, splices = chunks[-1].stop, 0, []
    if description is not None:
        old = old_exif.content(data) if old_exif else b""
        prefix = EXIF_PREFIX if old.startswith(EXIF_PREFIX) else b""  # no part of the format, but written by some
        exif = prefix + tiff.described(old.removeprefix(prefix), description)
        splices.append(_splice(old_exif, old_xmp.start if old_xmp else end, b"EXIF", exif))
        flags |= _EXIF_FLAG
    if xmp is not None:
        splices.append(_splice(old_xmp, end, b"XMP ", xmp))
        flags |= _XMP_FLAG
    if not splices:
        return []
    if end % 2 and any(splice.start == end for splice in splices):  # a last chunk of odd size may lack its padding
        splices.insert(0, Splice(end, end, b"\0"))
    head = _EXTENDED[chunks[0].type](data, chunks[0])
    head = head[:8] + bytes([head[8] | flags]) + head[9:]
    old_head = chunks[0].stop if chunks[0].type == b"VP8X" else _FIRST
    splices.insert(0, Splice(_FIRST, old_head, head))
    (size,) = unpack("<I", data, 4, "the WebP header")
    size += sum(splice.growth for splice in splices)
    if size > 0xFFFFFFFE:
        raise BrokenMetadata("would grow beyond the 4 GB that a WebP can hold")
    return [Splice(4, 8, struct.pack("<I", size)), *splices]


def _find(chunks: list[Chunk], type_: bytes) -> Chunk | None:
    return next((chunk for chunk in chunks if chunk.type == type_), None)


def _splice(old: Chunk | None, place: int, type_: bytes, content: bytes) -> Splice:
    start, stop = (old.start, old.stop) if old else (place, place)
    return Splice(start, stop, _chunk(type_, content))


def _chunk(type_: bytes, content: bytes) -> bytes:
    return type_ + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _canvas(width: int, height: int, has_alpha: bool) -> bytes:
    """A VP8X chunk (RFC 9649, 2.7): flags, 24 reserved bits, width and height less one in 24 bits each."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _chunk(b"VP8X", bytes([_ALPHA_FLAG * has_alpha, 0, 0, 0]) + sides)


def _of_lossy(data: Data, chunk: Chunk) -> bytes:
    """RFC 6386, 9.1: a start code behind three bytes, then width and height in 14 bits each."""
    start_code, width, height = unpack("<3sHH", chunk.head(data), 3, "the WebP picture")
    width, height = width & 0x3FFF, height & 0x3FFF
    if start_code != b"\x9d\x01\x2a" or not (width and height):
        raise BrokenMetadata("broken WebP (its picture has no header)")
    return _canvas(width, height, has_alpha=False)


def _of_lossless(data: Data, chunk: Chunk) -> bytes:
    """RFC 9649, 3.4: a signature, then width less one, height less one (14 bits each), and whether alpha is used."""
    signature, bits = unpack("<BI", chunk.head(data)[:5], 0, "the WebP picture")
    if signature != 0x2F:
        raise BrokenMetadata("broken WebP (its picture has no header)")
    return _canvas((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, has_alpha=bool(bits >> 28 & 1))


def _of_extended(data: Data, chunk: Chunk) -> bytes:
    if chunk.size < 10:
        raise BrokenMetadata("broken WebP (its VP8X is cut short)")
    return data[chunk.start : chunk.stop]


_EXTENDED = {b"VP8X": _of_extended, b"VP8 ": _of_lossy, b"VP8L": _of_lossless}
