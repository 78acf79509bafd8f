"""Photos as upright RGB arrays."""

from collections.abc import Callable, Iterable, Iterator
from math import ceil

import numpy as np
from PIL import Image

from captioner.ahead import map_ahead
from captioner.errors import ImageError
from captioner.images.colours import Convert, conversion_of, raw_mode_of
from captioner.images.limits import decoding
from captioner.images.sources import ImageSource, with_opened

_JPEG = ("JPEG", "MPO")
_GAP = 3.0  # how much larger than wanted a picture stays when it is reduced by whole factors first
_STRIP_PIXELS = 4_000_000
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(source: ImageSource, size: int) -> np.ndarray:
    """The photo, upright, as (size, size, 3) uint8, sRGB, 0-255.

    The whole photo is squeezed into the square, nothing is cropped. Transparent parts become white; of an
    animation the first frame counts. A large JPEG is decoded at a reduced scale, never below twice `size`.
    All threads together hold a limited number of decoded bytes: a thread waits until there is room for its photo.

    source: a path, the bytes of an image file, an open binary file, a PIL image, or an array (height, width),
    (height, width, 3) or (height, width, 4) of uint8.
    Raises: ImageError when the file is missing, is no image, is broken or cut short, or takes too much to decode.
    """
    return np.asarray(_read(source, size, lambda width, height: (size, size)))


def read_thumbnail(source: ImageSource, side: int) -> Image.Image:
    """The whole photo, upright, in its own shape, its longer side `side` pixels; sRGB.

    source, Raises: as of `read_image`.
    """
    return _read(source, side, lambda *sides: tuple(max(1, round(length * side / max(sides))) for length in sides))


def _read(source: ImageSource, size: int, shape_of: Callable[[int, int], tuple[int, int]]) -> Image.Image:
    """size: no side of what is wanted is longer; shape_of: width and height of the photo to those wanted."""

    def decode(image: Image.Image) -> Image.Image:
        declared, raw_mode = image.size, raw_mode_of(image)
        _scale_down(image, size)
        with decoding(image, declared):
            image.load()
            orientation = _orientation(image)  # after loading: TIFF is turned by then, PNG may tell it last
            conversion = conversion_of(image, raw_mode)
            small = conversion.finish(_shrunk(image, conversion.flatten, shape_of(*image.size)))
        # turning what is small equals shrinking the turned photo
        return small.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else small

    return with_opened(source, decode)


def _scale_down(image: Image.Image, size: int) -> None:
    """From now on the picture has the size at which it is decoded: a JPEG needs no pixels that shrinking would lose."""
    if image.format in _JPEG:
        image.draft("RGB", (2 * size, 2 * size))


def _shrunk(image: Image.Image, flatten: Convert, shape: tuple[int, int]) -> Image.Image:
    """The same pixels as `flatten(image).resize(shape, BICUBIC, reducing_gap=_GAP)`, a strip at a time.

    flatten: works pixel by pixel. What it makes of the whole picture would take as much memory once more, or several
    times.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=_GAP)
    across, down = (int(length / wanted / _GAP) or 1 for length, wanted in zip(image.size, shape, strict=True))
    if across == down == 1:
        return flatten(image).resize(shape, Image.Resampling.BICUBIC)
    num_rows = down * max(1, _STRIP_PIXELS // (image.width * down))
    reduced = None
    for top in range(0, image.height, num_rows):
        strip = flatten(image.crop((0, top, image.width, min(top + num_rows, image.height)))).reduce((across, down))
        if reduced is None:
            reduced = Image.new(strip.mode, (strip.width, ceil(image.height / down)))
        reduced.paste(strip, (0, top // down))
    return reduced.resize(shape, Image.Resampling.BICUBIC, (0, 0, image.width / across, image.height / down))


def photo_shape(source: ImageSource) -> tuple[int, int]:
    """Height and width of the photo, upright, in pixels. Raises: ImageError as `read_image` does."""

    def shape(image: Image.Image) -> tuple[int, int]:
        if image.format not in _JPEG:  # which tell all before their pixels
            with decoding(image, image.size):
                image.load()
        height, width = image.height, image.width
        return (width, height) if 5 <= _orientation(image) <= 8 else (height, width)

    return with_opened(source, shape)


def check_num_pixels(source: ImageSource, most: int, size: int) -> None:
    """Tells from the head of the file, before any pixel is decoded.

    most: pixels that are decoded of a photo; a large JPEG is decoded at a reduced scale. size: as of `read_image`.
    Raises: ImageError when there are more, or as `read_image` does.
    """

    def check(image: Image.Image) -> None:
        width, height = image.size
        _scale_down(image, size)
        if image.width * image.height > most:
            raise ImageError(f"{width} x {height} pixels, more than the {most / 1e6:g} megapixels that are taken")

    with_opened(source, check)


def cropped(image: np.ndarray, box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """The part of the photo inside the box, squeezed into the square: (size, size, 3) uint8.

    image: (height, width, 3) uint8; box: left, top, right and bottom, shares of width and height.
    """
    height, width, _ = image.shape
    pixels = tuple(share * side for share, side in zip(box, (width, height, width, height), strict=True))
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, pixels))


def _orientation(image: Image.Image) -> int:
    """The orientation that EXIF tells, 1 (upright) where it tells none."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # broken EXIF raises anything, and the picture is whole without it
        return 1


def read_images(sources: Iterable, size: int, threads: int) -> Iterator[np.ndarray | ImageError]:
    """Each photo as `read_image` gives it, or the error it met, in order, read ahead by `threads` threads."""

    def read(source):
        try:
            return read_image(source, size)
        except ImageError as error:
            return error

    return map_ahead(read, sources, threads)
