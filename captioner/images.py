"""From a path, bytes, PIL image or array to an upright RGB square; and finding photos in folders.

Training and captioning read photos through `read_image`, so both see the same pixels.
"""

import fnmatch
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from captioner.ahead import map_ahead
from captioner.errors import ImageError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
    + (".heic", ".heif", ".hif", ".ppm", ".pgm", ".pnm", ".jp2", ".ico", ".tga")
)
ImageSource = str | os.PathLike | bytes | Image.Image | np.ndarray

# How a HEIF file begins after four bytes: its major brand (ISO/IEC 23008-12, 10.2 and annex B).
_HEIF_BRANDS = tuple(
    b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
)
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
    """The photo, upright, as (size, size, 3) uint8, RGB, 0-255.

    The whole photo is squeezed into the square, nothing is cropped. Transparent parts become white; of an
    animation the first frame counts. A large JPEG is decoded at a reduced scale, never below twice `size`.

    source: a path, the bytes of an image file, a PIL image, or an array (height, width), (height, width, 3) or
    (height, width, 4) of uint8.
    Raises: ImageError when the file is missing, is no image, or is broken or cut short.
    """
    return np.asarray(_read(source, size, lambda width, height: (size, size)))


def read_thumbnail(source: ImageSource, side: int) -> Image.Image:
    """The whole photo, upright, in its own shape, its longer side `side` pixels; RGB.

    source, Raises: as of `read_image`.
    """
    return _read(source, side, lambda *sides: tuple(max(1, round(length * side / max(sides))) for length in sides))


def _read(source: ImageSource, size: int, shape_of: Callable[[int, int], tuple[int, int]]) -> Image.Image:
    """size: no side of what is wanted is longer; shape_of: width and height of the photo to those wanted."""
    with _naming(source), _open(source) as image:
        if image.format in ("JPEG", "MPO"):
            image.draft("RGB", (2 * size, 2 * size))
        image.load()
        orientation = _orientation(image)  # after loading: TIFF is turned by then, PNG may tell it last
        small = _to_rgb(image).resize(shape_of(*image.size), Image.Resampling.BICUBIC, reducing_gap=3.0)
        # turning what is small equals shrinking the turned photo
        return small.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else small


def photo_shape(source: ImageSource) -> tuple[int, int]:
    """Height and width of the photo, upright, in pixels. Raises: ImageError as `read_image` does."""
    with _naming(source), _open(source) as image:
        if image.format not in ("JPEG", "MPO"):  # which tell all before their pixels
            image.load()
        height, width = image.height, image.width
        return (width, height) if 5 <= _orientation(image) <= 8 else (height, width)


def check_num_pixels(source: ImageSource, most: int) -> None:
    """Tells from the head of the file, before any pixel is decoded.

    Raises: ImageError when the photo has more than `most` pixels, or as `read_image` does.
    """
    with _naming(source), _open(source) as image:
        if image.width * image.height > most:
            size = f"{image.width} x {image.height} pixels"
            raise ImageError(f"{_name(source)}: {size}, more than the {most / 1e6:g} megapixels that are taken")


def cropped(image: np.ndarray, box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """The part of the photo inside the box, squeezed into the square: (size, size, 3) uint8.

    image: (height, width, 3) uint8; box: left, top, right and bottom, shares of width and height.
    """
    height, width, _ = image.shape
    pixels = tuple(share * side for share, side in zip(box, (width, height, width, height), strict=True))
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, pixels))


@contextmanager
def _naming(source: ImageSource) -> Iterator[None]:
    """Whatever is raised inside comes as an ImageError that names the photo."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # decoders of broken files raise anything from OSError to IndexError
        raise ImageError(f"{_name(source)}: {_reason(error)}") from error


def _open(source: ImageSource) -> Image.Image:
    if isinstance(source, Image.Image):
        return source.copy()
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ImageError(f"an image array must be uint8, 0-255, not {source.dtype}")
        if not (source.size and (source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4)))):
            raise ImageError(f"an image array must be (height, width) or (height, width, 3 or 4), not {source.shape}")
        return Image.fromarray(source)
    file = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
    try:
        image = Image.open(file)
    except Image.UnidentifiedImageError:
        if not _is_heif(file):
            raise
        _learn_heif(_name(source))
        image = Image.open(file)
    if image.format == "EPS":  # which Pillow would decode by starting Ghostscript on it
        raise ImageError(f"{_name(source)}: PostScript, not a photo")
    return image


def _is_heif(file) -> bool:
    if isinstance(file, io.BytesIO):
        head = file.getvalue()[4:12]
    else:
        with open(file, "rb") as opened:
            head = opened.read(12)[4:]
    return head in _HEIF_BRANDS


def _learn_heif(name: str) -> None:
    """From now on Pillow opens HEIF files. Raises: ImageError where what that takes is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise ImageError(f"{name}: HEIC photos are read with pip install 'captioner[heic]'") from error
    register_heif_opener()


def _orientation(image: Image.Image) -> int:
    """The orientation that EXIF tells, 1 (upright) where it tells none."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # broken EXIF raises anything, and the picture is whole without it
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # more than 8 bits a pixel: scale, PIL would clip
        pixels = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
        return Image.fromarray((pixels * _scale(image.mode, pixels.max())).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _scale(mode: str, brightest: float) -> float:
    """What takes pixels of that mode to 0-255; only 16-bit modes say how far they go."""
    if mode.startswith("I;16") or brightest > 255:
        return 255 / 65535
    return 255 if mode == "F" and brightest <= 1 else 1


def _name(source: ImageSource) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "image"


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a photo"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels to be a photo"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"broken or cut short ({' '.join(str(error).split()) or type(error).__name__})"


def read_images(sources: Iterable, size: int, threads: int) -> Iterator[np.ndarray | ImageError]:
    """Each photo as `read_image` gives it, or the error it met, in order, read ahead by `threads` threads."""

    def read(source):
        try:
            return read_image(source, size)
        except ImageError as error:
            return error

    return map_ahead(read, sources, threads)


def is_image_name(path: str | os.PathLike) -> bool:
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def matches_any(below: str, patterns: Iterable[str]) -> bool:
    """Whether a path below a folder, or its last part, is like one of the glob patterns."""
    name = below.rpartition("/")[2]
    return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(below, pattern) for pattern in patterns)


def find_images(
    folder: Path, recursive: bool = False, include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> Iterator[Path | ImageError]:
    """The photos of a folder, sorted within each folder; hidden ones are left out, links to folders not followed.

    A folder that cannot be listed comes as an error in its place, and the rest goes on.
    include, exclude: glob patterns against the name or the path below `folder`; no `include` means every
    suffix of IMAGE_SUFFIXES.
    """
    include, exclude = tuple(include), tuple(exclude)

    def matches(path: Path, patterns: tuple[str, ...]) -> bool:
        return matches_any(path.relative_to(folder).as_posix(), patterns)

    def walk(directory: Path) -> Iterator[Path | ImageError]:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as error:
            yield ImageError(f"{directory}: {error.strerror or error}")
            return
        for entry in entries:
            path = directory / entry.name
            if entry.name.startswith(".") or (exclude and matches(path, exclude)):
                continue
            if entry.is_dir(follow_symlinks=False):
                if recursive:
                    yield from walk(path)
            elif _may_be_read(entry) and (matches(path, include) if include else is_image_name(entry.name)):
                yield path

    yield from walk(Path(folder))


def _may_be_read(entry: os.DirEntry) -> bool:
    """No for what would never end, as a pipe, and for links to folders; a broken link is left to fail by name."""
    try:
        return entry.is_file() or not os.path.exists(entry.path)
    except OSError:  # a link that leads to itself
        return True
