"""ICC profiles: pictures in other colour spaces become sRGB, which models learned from."""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image

_MAX_PROFILE_BYTES = 4_000_000  # the largest, of printing presses, have three
_SRGB_WITHIN = 4  # levels of 255, by which a profile may differ from sRGB and is sRGB all the same
_GREY_MODES = ("1", "L", "LA", "La", "F")  # and those that begin with I
_WITHOUT = ("LAB", "HSV")  # Pillow's own conversion knows what they are
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of Pillow, by the colour space that a profile describes


def profile_conversion(profile: bytes | None, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """What takes pictures of that profile to sRGB, or None where they are to stay as they are.

    They stay where there is no profile, it is sRGB, it is of another kind of picture, or it is broken. The conversion
    takes CMYK where the mode is CMYK, and RGB otherwise.
    """
    if not profile or len(profile) > _MAX_PROFILE_BYTES or mode in _WITHOUT:
        return None
    if mode == "CMYK":
        return _conversion(bytes(profile), ("CMYK",))
    is_grey = mode in _GREY_MODES or mode.startswith("I")
    return _conversion(bytes(profile), ("L", "RGB") if is_grey else ("RGB",))


@lru_cache(maxsize=8)  # of a camera's or a phone's photos all have the same
def _conversion(profile: bytes, modes: tuple[str, ...]) -> Callable[[Image.Image], Image.Image] | None:
    """modes: of Pillow, that the profile may be of."""
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(opened.profile.xcolor_space.strip())
        if mode not in modes:
            return None
        is_print = mode == "CMYK"
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL if is_print else ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.NOCACHE,  # several threads use it
        )
        if not is_print and _changes_little(transform.apply, mode):
            return None
    except Exception:  # broken profiles raise anything, and the picture is whole without one
        return None
    return (lambda rgb: transform.apply(rgb.getchannel(0))) if mode == "L" else transform.apply


def _changes_little(apply: Callable[[Image.Image], Image.Image], mode: str) -> bool:
    """Whether colours all over the space stay what they are."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        before = levels[None].repeat(3, axis=0).T[None]  # (1, levels, 3)
        after = apply(Image.fromarray(levels[None]))
    else:
        before = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        after = apply(Image.fromarray(before))
    return np.abs(np.asarray(after).astype(int) - before).max() <= _SRGB_WITHIN
