"""Files whose pixels are whole though something beside them is damaged: what other programs show all the same."""

import struct
import zlib
from collections.abc import Callable, Iterator

from captioner.images.jpeg_segments import APP_MARKERS, COM, SOS, Segment, segments

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_JPEG_HEAD = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_FILLER = b"\xaa" * 64  # a bit pattern of codes, where libjpeg would fill up with zeros
_MAX_PROFILE_BYTES = 1_000_000  # that Pillow unpacks
_NUM_TRANSPARENCY_BYTES = {0: (2,), 2: (6,), 3: range(1, 257)}  # by colour type
_NUM_FIRST_BYTES = {b"JFIF\0": 14, b"Exif\0\0": 6, b"Adobe": 12, b"ICC_PROFILE\0": 14}  # of APP segments, at least


def mended(content: bytes) -> list[bytes]:
    """Copies of an image file without what may be damaged; none where there is nothing to leave out.

    The picture is whole where all of them decode to the same pixels.
    """
    if content.startswith(_PNG_HEAD):
        copies = [_mended_png(content)]
    elif content.startswith(_JPEG_HEAD):
        copies = _mended_jpeg(content)
    else:
        return []
    return [copy for copy in copies if copy != content]


def _mended_jpeg(content: bytes) -> list[bytes]:
    """Without application segments that are damaged or of no use, and with an end where it has none.

    A file that was cut within its pixels is told from one that lacks the end marker alone by what follows: with
    something else in place of what is missing, other pixels would be decoded.
    """
    parts, position = [_JPEG_HEAD], 2
    for segment in segments(content):
        if segment.marker == SOS:
            break
        if segment.marker not in (*APP_MARKERS, COM) or _is_of_use(segment):
            parts.append(content[segment.start : segment.stop])
        position = segment.stop
    body = content[position:]
    head = b"".join(parts)
    if _JPEG_END in body:
        return [head + body]
    body = body.rstrip(b"\xff")
    return [head + body + filler + _JPEG_END for filler in (b"", _FILLER)]


def _is_of_use(segment: Segment) -> bool:
    """Whether it is whole, and tells of colours or of the orientation."""
    return any(
        segment.payload.startswith(name) and len(segment.payload) >= num_bytes
        for name, num_bytes in _NUM_FIRST_BYTES.items()
    )


def _mended_png(content: bytes) -> bytes:
    """The pixels, and what tells of colours, transparency and orientation where it is whole.

    A decoder may leave out any chunk that is not critical (PNG specification, 13.14).
    """
    colour_type = content[25] if len(content) > 25 else 0
    kept = [_PNG_HEAD]
    for kind, payload, chunk in _chunks(content):
        if kind[:1].isupper() or (
            kind in _CHECKS and _has_right_checksum(chunk) and _CHECKS[kind](payload, colour_type)
        ):
            kept.append(chunk)
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Of each chunk its kind, its payload, and the whole of it."""
    position = len(_PNG_HEAD)
    while position + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        stop = position + 12 + length
        yield content[position + 4 : position + 8], content[position + 8 : stop - 4], content[position:stop]
        position = stop


def _has_right_checksum(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:]


def _is_profile(payload: bytes, colour_type: int) -> bool:
    name, _, packed = payload.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return bool(name) and packed[:1] == b"\0" and unpacker.eof


# Of chunks that are not critical and yet of use: whether the payload is whole, for an image of that colour type.
_CHECKS: dict[bytes, Callable[[bytes, int], bool]] = {
    b"tRNS": lambda payload, colour_type: len(payload) in _NUM_TRANSPARENCY_BYTES.get(colour_type, ()),
    b"eXIf": lambda payload, colour_type: True,
    b"iCCP": _is_profile,
    b"zTXt": lambda payload, colour_type: payload.startswith(b"Raw profile type exif\0") and len(payload) < 100_000,
    b"tEXt": lambda payload, colour_type: payload.startswith(b"Raw profile type exif\0") and len(payload) < 100_000,
}
