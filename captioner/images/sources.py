"""Whatever may stand for a photo, opened by Pillow; and whatever goes wrong with it, in one line that names it."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image

from captioner.errors import ImageError
from captioner.images.mending import mended

ImageSource = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray
Result = TypeVar("Result")

# What Pillow opens and would decode by another program or the system's own graphics.
_NO_PHOTOS = {"EPS": "PostScript, not a photo", "WMF": "a Windows metafile, not a photo"}
# How a HEIF file begins after four bytes: its major brand (ISO/IEC 23008-12, 10.2 and annex B).
_HEIF_BRANDS = tuple(
    b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
)
_JPEG_HEAD = b"\xff\xd8\xff"
# How files begin that may be of a kind that Pillow does not decode, as a TIFF of 64-bit numbers or a JPEG of 12 bits.
_FORMATS = {_JPEG_HEAD: "JPEG", b"\x89PNG": "PNG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP", b"GIF8": "GIF"}
_ICON_HEAD = b"\0\0\1\0"
_KINDS = "a path, the bytes of an image file, an open binary file, a PIL image or a uint8 array"
_MAX_MENDED_BYTES = 500_000_000


def with_opened(source: ImageSource, work: Callable[[Image.Image], Result]) -> Result:
    """What `work` gives for the picture, as Pillow has opened it and nothing has been decoded.

    Where that fails, `work` is tried on the picture without what is damaged beside its pixels.
    Raises: ImageError, which names the photo, for whatever is raised.
    """
    with _naming(source):
        try:
            with _opened(source) as image:
                return work(image)
        except ImageError:
            raise
        except Exception as error:  # decoders of broken files raise anything from OSError to IndexError
            return _worked_on_mended(_content(source), work, error)


def _worked_on_mended(content: bytes, work: Callable[[Image.Image], Result], error: Exception) -> Result:
    """Raises: what `error` means, where the mended copies are no whole picture, either."""
    if isinstance(error, Image.UnidentifiedImageError):
        formats = [name for head, name in _FORMATS.items() if content.startswith(head)]
        error = ImageError(f"broken, or a kind of {formats[0]} that is not read") if formats else error
    try:
        results = []
        for copy in mended(content):
            with _opened(copy) as image:
                results.append(work(image))
    except Exception:
        raise error from None
    if not results or any(result != results[0] for result in results):
        raise error
    return results[0]


@contextmanager
def _naming(source: ImageSource) -> Iterator[None]:
    """Whatever is raised inside comes as an ImageError that names the photo."""
    try:
        yield
    except ImageError as error:
        if str(error).startswith(f"{source_name(source)}: "):
            raise
        raise ImageError(f"{source_name(source)}: {error}") from error
    except Exception as error:
        raise ImageError(f"{source_name(source)}: {_reason(error)}") from error


def source_name(source: ImageSource) -> str:
    """What the photo is called in messages."""
    if hasattr(source, "read"):
        source = getattr(source, "name", None)  # which is a number where the file was opened by one
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "image"


@contextmanager
def _opened(source: ImageSource) -> Iterator[Image.Image]:
    """The picture that would be decoded: of an icon, the one that it holds, whatever size the icon declares."""
    with _open(source) as image:
        yield image.icns.getimage(image.best_size) if image.format == "ICNS" else image


def _open(source: ImageSource) -> Image.Image:
    """Raises: ImageError for what is no source; whatever Pillow raises."""
    if isinstance(source, Image.Image):
        return source.copy()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) and not hasattr(source, "read"):
        hint = "; give several photos as a list" if isinstance(source, tuple | set | Iterator) else ""
        raise ImageError(f"a photo is {_KINDS}, not {type(source).__name__}{hint}")
    file = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
    image = _open_file(file, source_name(source))
    if image.format in _NO_PHOTOS:
        raise ImageError(_NO_PHOTOS[image.format])
    return image


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8:
        raise ImageError(f"an image array must be uint8, 0-255, not {array.dtype}")
    if not (array.size and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))):
        raise ImageError(f"an image array must be (height, width) or (height, width, 3 or 4), not {array.shape}")
    return Image.fromarray(array)


def _open_file(file: str | os.PathLike | BinaryIO, name: str) -> Image.Image:
    try:
        # Pillow decodes an icon when it opens it.
        return _open_icon(file) if _head(file).startswith(_ICON_HEAD) else Image.open(file)
    except Image.UnidentifiedImageError:
        if _head(file)[4:12] not in _HEIF_BRANDS:
            raise
        _learn_heif(name)
        return Image.open(file)
    except Image.DecompressionBombError:
        if not _head(file).startswith(_JPEG_HEAD):
            raise
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(file)  # whose pixels are counted when it is known at what scale


def _open_icon(file: str | os.PathLike | BinaryIO) -> Image.Image:
    """The first of the pictures that a Windows icon holds, which Pillow takes for it."""
    from PIL.IcoImagePlugin import IcoFile  # which most runs never need

    icon = IcoFile(io.BytesIO(_content(file)))
    return icon.getimage(icon.entry[0].dim)


def _head(file: str | os.PathLike | BinaryIO) -> bytes:
    """The first 12 bytes; b"" of a pipe, which gives them once."""
    if not hasattr(file, "read"):
        if not os.path.isfile(file):
            return b""
        with open(file, "rb") as opened:
            return opened.read(12)
    if not file.seekable():
        return b""
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    return head


def _content(source: ImageSource) -> bytes:
    """The bytes of an image file; b"" where there are none that can be read once more. Raises: OSError."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        if not os.path.isfile(source) or os.path.getsize(source) > _MAX_MENDED_BYTES:
            return b""
        with open(source, "rb") as file:
            return file.read()
    if not hasattr(source, "read") or not source.seekable():
        return b""
    source.seek(0)
    return source.read()


def _learn_heif(name: str) -> None:
    """From now on Pillow opens HEIF files. Raises: ImageError where what that takes is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise ImageError(f"{name}: HEIC photos are read with pip install 'captioner[heic]'") from error
    register_heif_opener()


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
