"""What decoding a photo may cost: its memory, with that of all other threads, and its work."""

import math
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from PIL import Image

from captioner.errors import ImageError
from captioner.images.jpeg_segments import SOS, segments

MAX_DECODED_BYTES = 1_280_000_000  # that all threads hold together; a progressive JPEG of 200 megapixels takes them all
MAX_SCANS = 300  # of a progressive JPEG; programs write some ten
# Blocks of 8 x 8 that the scans of a JPEG go over, an empty scan's in some 10 ns each: seconds, whatever a file says.
MAX_BLOCK_VISITS = 200_000_000

_BLOCK_BYTES = 64 * 2  # of coefficients, which a progressive JPEG holds for the whole picture until its last scan
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1}  # by mode, as Pillow stores them; the others take four
_DEEP_GREY_BYTES = 2  # of the modes I;16
# What decoders hold of a pixel beside Pillow's own copy.
_BYTES_BESIDE = {"WEBP": 8, "AVIF": 8, "HEIF": 8, "JPEG2000": 16}
_TILE_WIDTH, _TILE_LENGTH, _SAMPLES_PER_PIXEL = 322, 323, 277  # TIFF 6.0
_MAX_SAMPLE_BYTES = 4
_HEAD_BYTES = 1_000_000  # in which the segments before a JPEG's pixels lie, but for a few


class _Allowance:
    """A number of bytes that threads share: who needs more than is left waits, in the order of coming."""

    def __init__(self, num_bytes: int):
        self._num_bytes = num_bytes
        self.reset()

    def reset(self) -> None:
        """As new. A forked process has none of the threads that held something."""
        self._num_held, self._turn, self._changed = 0, threading.Lock(), threading.Condition()

    @contextmanager
    def held(self, num_bytes: int) -> Iterator[None]:
        """num_bytes: no more than all of them are held for one, who is alone then."""
        num_bytes = min(num_bytes, self._num_bytes)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._num_held + num_bytes <= self._num_bytes)
            self._num_held += num_bytes
        try:
            yield
        finally:
            with self._changed:
                self._num_held -= num_bytes
                self._changed.notify_all()


_allowance = _Allowance(MAX_DECODED_BYTES)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_allowance.reset)


@contextmanager
def decoding(image: Image.Image, declared: tuple[int, int]) -> Iterator[None]:
    """Inside, the picture may be decoded: it waits until all threads together have room for it.

    image: at the scale at which it will be decoded. declared: width and height, before it was scaled down.
    Raises: ImageError for more pixels, scans or memory than a photo takes.
    """
    num_pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
    if most is not None and num_pixels > 2 * most:
        raise ImageError("too many pixels to be a photo")
    num_bytes = num_pixels * _bytes_of_pixel(image) + _tile_bytes(image)
    if image.format in ("JPEG", "MPO"):
        num_bytes += _coefficient_bytes(image, declared)
    if num_bytes > MAX_DECODED_BYTES:
        raise ImageError(f"{num_bytes / 1e6:,.0f} MB to decode, more than a photo takes")
    with _allowance.held(num_bytes + num_pixels * _BYTES_BESIDE.get(image.format, 0)):
        yield


def _bytes_of_pixel(image: Image.Image) -> int:
    return _DEEP_GREY_BYTES if image.mode.startswith("I;16") else _PIXEL_BYTES.get(image.mode, 4)


def _tile_bytes(image: Image.Image) -> int:
    """Of a TIFF in tiles, which may be larger than its picture: one of them is held while it is unpacked."""
    tags = getattr(image, "tag_v2", {})
    factors = [tags.get(tag, 1) for tag in (_TILE_WIDTH, _TILE_LENGTH, _SAMPLES_PER_PIXEL)]
    if _TILE_WIDTH not in tags or not all(isinstance(factor, int) for factor in factors):
        return 0
    return math.prod(factors) * _MAX_SAMPLE_BYTES


def _coefficient_bytes(image: Image.Image, declared: tuple[int, int]) -> int:
    """What a JPEG holds beside its pixels while it is decoded, at whatever scale.

    Raises: ImageError for scans that are an attack. Every scan goes over all of its blocks, also one of a few bytes.
    """
    blocks = _blocks_of_layers(image, *declared)
    scans = _scans_of(image)
    if len(scans) > MAX_SCANS:
        raise ImageError(f"a JPEG of more than {MAX_SCANS} scans, which no photo has")
    if sum(blocks[layer] for layers in scans for layer in layers) > MAX_BLOCK_VISITS:
        raise ImageError(f"{declared[0]} x {declared[1]} pixels in {len(scans)} scans, more than a photo takes")
    is_in_one_pass = "progressive" not in image.info and len(scans) == 1
    return 0 if is_in_one_pass else sum(blocks.values()) * _BLOCK_BYTES


def _scans_of(image: Image.Image) -> list[bytes]:
    """Of each scan that will be decoded the layers that it goes over; not many more than MAX_SCANS."""
    file = image.fp
    position = file.tell()
    try:
        file.seek(0)
        content = file.read(_HEAD_BYTES)
        first = next(_scans(content), b"")
        if "progressive" not in image.info and len(first) == image.layers:
            return [first]
        return list(islice(_scans(content + file.read()), MAX_SCANS + 1))
    finally:
        file.seek(position)


def _scans(content: bytes) -> Iterator[bytes]:
    """Of each scan the layers that it goes over."""
    for segment in segments(content):
        if segment.marker == SOS and segment.payload:
            yield segment.payload[1 : 1 + 2 * segment.payload[0] : 2]


def _blocks_of_layers(image: Image.Image, width: int, height: int) -> Counter[int]:
    """The number of blocks by layer, as Pillow calls a component; of layers that share a number, together."""
    most_across = max(across for _, across, _, _ in image.layer)
    most_down = max(down for _, _, down, _ in image.layer)
    blocks = Counter()
    for layer, across, down, _ in image.layer:
        blocks[layer] += math.ceil(width * across / most_across / 8) * math.ceil(height * down / most_down / 8)
    return blocks
