"""Where a decoder looked, laid over the photo."""

import numpy as np
from PIL import Image

_FADE = 0.4  # share of white in the photo where nobody looks
_COLOURS = np.array([[255, 221, 87], [249, 115, 22], [190, 18, 60]], np.float32)  # amber, orange, crimson
_MOST_COLOUR = 0.78  # its share where the decoder looks most


def lit_by(photo: np.ndarray, attention: np.ndarray, brightest: float, shape: tuple[int, int]) -> np.ndarray:
    """The photo in pale grey, coloured where the decoder looks: (*shape, 3) uint8.

    photo: (size, size, 3) uint8; attention: (rows, columns) over all of it; brightest: what has the full colour;
    shape: height and width to show it at.
    """
    height, width = shape
    light = np.clip(attention / brightest, 0, 1).astype(np.float32)
    light = Image.fromarray(light).resize((width, height), Image.Resampling.BICUBIC)
    light = np.clip(np.asarray(light), 0, 1)[..., None]
    pale = resized(photo, shape).mean(axis=2, keepdims=True) * (1 - _FADE) + 255 * _FADE
    share = _MOST_COLOUR * light**0.75  # so that a glance is seen beside a stare
    return np.round(pale * (1 - share) + _coloured(light) * share).astype(np.uint8)


def _coloured(light: np.ndarray) -> np.ndarray:
    """light: (..., 1), 0 to 1 -> (..., 3), 0-255, from the first of _COLOURS to the last."""
    place = light * (len(_COLOURS) - 1)
    near = np.maximum(0, 1 - np.abs(place - np.arange(len(_COLOURS))))  # (..., colours), sums to 1
    return near @ _COLOURS


def resized(photo: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The photo at another height and width: (*shape, 3) uint8."""
    height, width = shape
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))
