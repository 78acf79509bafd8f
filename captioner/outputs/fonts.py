"""Fonts for words of any script, of those that are installed."""

import re
from functools import cache
from pathlib import Path

from PIL import ImageFont

_DEFAULTS = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}  # they come with Matplotlib
_LIKELY = ("CJK", "Noto", "Nanum|malgun|AppleGothic|Gulim", "msyh|simhei|simsun|PingFang|Hei|wqy", "Unicode|Droid")


def font_for(text: str, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A font with all letters of the text: Matplotlib's own, or where that lacks some an installed one that has them.

    size: pixels. Where no font has them all, it is the first one, which shows boxes.
    """
    default = _default_path(bold)
    strange = frozenset(map(ord, text)) - _codes_of(default) - {ord(" ")}
    return _opened((strange and _path_with(strange)) or default, size)


@cache
def _opened(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@cache
def _default_path(bold: bool) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _DEFAULTS[bold])


@cache
def _path_with(codes: frozenset[int]) -> str | None:
    return next((path for path in _installed() if codes <= _codes_of(path)), None)


@cache
def _installed() -> list[str]:
    """Files of fonts, those first that are likely to have many letters, in one order on every run."""
    from matplotlib.font_manager import findSystemFonts

    def rank(path):
        likely = (place for place, names in enumerate(_LIKELY) if re.search(names, Path(path).name))
        return next(likely, len(_LIKELY)), "Regular" not in path, path

    return sorted(findSystemFonts(), key=rank)


@cache
def _codes_of(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # not every file in the folders of fonts can be read
        return frozenset()
