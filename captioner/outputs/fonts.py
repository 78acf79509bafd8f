"""Fonts that have what is to be drawn: Matplotlib's own has no Korean, Chinese or Japanese."""

import unicodedata
from functools import cache

from PIL import ImageFont

OWN_FAMILY = "DejaVu Sans"  # comes with Matplotlib
_HAS_NO_SHAPES = "Last Resort"  # has a box for every character there is


def fonts_for(text: str) -> tuple[list[str], str]:
    """The font families that together have the characters of the text, and the characters that no installed one has.

    The first family is Matplotlib's own, the others are taken where it lacks a character.
    """
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    lacking = {char for char in text if not char.isspace() and unicodedata.category(char)[0] != "C"}
    lacking -= _characters(findfont(FontProperties(OWN_FAMILY)))
    families = [OWN_FAMILY]
    if lacking:
        _learn_new_fonts()
        upright = [font for font in fontManager.ttflist if font.style == "normal"]
        # as the rest of the page where there is a choice, and by name, so that the choice never depends on chance
        for font in sorted(upright, key=lambda f: ("Sans" not in f.name, f.weight != 400, f.name, f.fname)):
            found = set() if _HAS_NO_SHAPES in font.name else lacking & _characters(font.fname)
            if found:
                families.append(font.name)
                lacking -= found
            if not lacking:
                break
    return families, "".join(sorted(lacking))


def font_for(text: str, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """For Pillow, a font with the letters of the text: Matplotlib's own, or where that lacks some an installed one.

    size: pixels. Pillow draws a text with one font: letters that it lacks are shown as boxes, though another has them.
    """
    return _opened(_family_for(frozenset(text)), size, bold)


@cache
def _family_for(letters: frozenset[str]) -> str:
    return fonts_for("".join(sorted(letters)))[0][-1]


@cache
def _opened(family: str, size: int, bold: bool) -> ImageFont.FreeTypeFont:
    from matplotlib.font_manager import FontProperties, findfont

    return ImageFont.truetype(findfont(FontProperties(family, weight="bold" if bold else "normal")), size)


def _characters(path: str) -> set[str]:
    """Those that the font has an outline for."""
    from matplotlib.font_manager import get_font

    try:
        font = get_font(path)
    except (OSError, RuntimeError):  # gone since it was listed, or broken: another may do
        return set()
    return {chr(code) for code in font.get_charmap()} if font.scalable else set()


@cache
def _learn_new_fonts() -> None:
    """Lists the fonts that were installed after Matplotlib made its list; once a process, for it takes its time."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {font.fname for font in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError, KeyError):  # broken, or of a kind that cannot be drawn
            continue
