"""From the modes of Pillow's pictures, deep greys and transparency to RGB.

In two steps, with shrinking between them: what must be done at full size, and the colour space, which need not be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from captioner.images.profiles import profile_conversion

Convert = Callable[[Image.Image], Image.Image]

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_PHOTOMETRIC, _WHITE_IS_ZERO, _BITS_PER_SAMPLE = 262, 0, 258  # TIFF 6.0
_MAX_LEVEL = 65535  # of 16 bits
_NUM_ROWS = 256  # looked at together


@dataclass(frozen=True)
class Conversion:
    """How a picture becomes sRGB. flatten: pixel by pixel, at full size, to RGB; finish: the small picture."""

    flatten: Convert
    finish: Convert


def conversion_of(image: Image.Image, raw_mode: str) -> Conversion:
    """image: decoded. raw_mode: how its file holds the pixels; "" where that is not known."""
    finish = profile_conversion(image.info.get("icc_profile"), image.mode)
    if image.mode == "CMYK" and finish is not None:
        return Conversion(lambda cmyk: cmyk, finish)
    return Conversion(_flattening(image, raw_mode), finish or (lambda rgb: rgb))


def raw_mode_of(image: Image.Image) -> str:
    """How the file holds its pixels, as Pillow names it; known before the picture is decoded only."""
    tiles = getattr(image, "tile", None) or [("", (), 0, "")]
    arguments = tiles[0][3]
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) else ""


def _flattening(image: Image.Image, raw_mode: str) -> Convert:
    hole = _scaled_hole(image.info.get("transparency"), raw_mode)
    if image.mode.startswith("I") or image.mode == "F":  # more than 8 bits a pixel: scale, PIL would clip
        return partial(_deep_to_rgb, scale=_scale(image), hole=hole, is_negative=_is_negative(image))
    if image.mode in _WITH_ALPHA:
        return _on_white
    if hole is not None:
        return partial(_on_white_but, hole=hole)
    return lambda part: part.convert("RGB")


def _scaled_hole(hole: int | tuple | bytes | None, raw_mode: str) -> int | tuple | bytes | None:
    """The transparent colour on the scale of the decoded pixels: PNG tells it on that of the file."""
    if isinstance(hole, int) and raw_mode in ("L;2", "L;4"):
        return hole * (85 if raw_mode == "L;2" else 17)
    if isinstance(hole, tuple) and raw_mode == "RGB;16B":
        return tuple(level >> 8 for level in hole)
    return hole


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # which alone becomes RGBA by way of another mode
        image = image.convert("LA")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _on_white_but(image: Image.Image, hole: int | tuple | bytes) -> Image.Image:
    """hole: the colour that is transparent, or the opacities of a palette."""
    image.info["transparency"] = hole
    return _on_white(image)


def _deep_to_rgb(image: Image.Image, scale: float, hole: object, is_negative: bool) -> Image.Image:
    pixels = _finite(image)
    levels = (pixels * scale).clip(0, 255).astype(np.uint8)
    if is_negative:
        levels = 255 - levels
    if isinstance(hole, int):
        levels[pixels == hole] = 255
    return Image.fromarray(levels).convert("RGB")


def _scale(image: Image.Image) -> float:
    """What takes the pixels to 0-255; only modes of 16 bits say how far they go."""
    if image.mode.startswith("I;16"):
        bits = _tag(image, _BITS_PER_SAMPLE, 16)
        return 255 / (2**bits - 1 if 8 < bits < 16 else _MAX_LEVEL)
    brightest = _brightest(image)
    if brightest > _MAX_LEVEL:
        return 255 / brightest
    if brightest > 255 or (image.mode == "I" and image.format == "PPM"):  # which Pillow takes to 16 bits
        return 255 / _MAX_LEVEL
    return 255 if image.mode == "F" and brightest <= 1 else 1


def _brightest(image: Image.Image) -> float:
    tops = range(0, image.height, _NUM_ROWS)
    rows = (image.crop((0, top, image.width, min(top + _NUM_ROWS, image.height))) for top in tops)
    return max(float(_finite(part).max()) for part in rows)


def _finite(image: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)


def _is_negative(image: Image.Image) -> bool:
    """Whether the lowest number is white: Pillow turns these around for pixels of up to 8 bits only."""
    return _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO


def _tag(image: Image.Image, tag: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default
