"""A page drawn from the top down, in inches; Matplotlib is imported when the first is drawn."""

import unicodedata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import OptionsError
from captioner.files import written_whole
from captioner.outputs.fonts import fonts_for

PAGE_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}  # by the suffix of the file
DPI = 150
PAGE_MARGIN = 0.3  # inches
GREY = "#5f6368"
BOLD = 1.2  # as wide as regular letters, at most
NOTE_SIZE, NOTE_LINE = 9, 0.178  # points; inches from line to line


@dataclass(frozen=True)
class Page:
    """A figure whose parts are placed in inches from its left and from its top."""

    figure: "matplotlib.figure.Figure"  # noqa: F821  (imported lazily)

    def axes(self, left: float, top: float, width: float, height: float):
        page_width, page_height = self.figure.get_size_inches()
        box = left / page_width, 1 - (top + height) / page_height, width / page_width, height / page_height
        return self.figure.add_axes(box)

    def note(self, left: float, top: float, lines: list[str]) -> None:
        """Lines of grey text, NOTE_LINE apart."""
        for nth, line in enumerate(lines):
            self.text(left, top + nth * NOTE_LINE, line, color=GREY)

    def text(self, left: float, top: float, text: str, **style):
        page_width, page_height = self.figure.get_size_inches()
        style = {"va": "top", "fontsize": NOTE_SIZE, "parse_math": False} | style
        return self.figure.text(left / page_width, 1 - top / page_height, text, **style)


@dataclass(frozen=True)
class Section:
    """A part of a page. draw: (page, its top) -> nothing."""

    height: float
    draw: Callable[[Page, float], None]


def page_format(path: Path) -> str:
    """What Matplotlib calls the format of that file. Raises: OptionsError for a suffix that it cannot write."""
    suffix = path.suffix.lower()
    if suffix not in PAGE_FORMATS:
        ending = f"ends with {path.suffix}" if suffix else "has no ending"
        raise OptionsError(f"{path}: {ending}; a picture is written as {', '.join(PAGE_FORMATS)}")
    return PAGE_FORMATS[suffix]


def write_page(path: Path, width: float, sections: Iterable[Section], words: str) -> str:
    """Writes the sections below each other; gives back the characters of the words that no installed font has.

    Raises: OptionsError for a suffix of another format; CaptionerError when the file cannot be written.
    """
    format_name, sections = page_format(path), list(sections)
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families, missing = fonts_for(words)
    with rc_context({"font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the caller is told
        figure = Figure(figsize=(width, sum(section.height for section in sections)), facecolor="white")
        FigureCanvasAgg(figure)
        page, top = Page(figure), 0.0
        for section in sections:
            section.draw(page, top)
            top += section.height
        with written_whole(path) as temporary:
            figure.savefig(temporary, format=format_name, dpi=DPI)
    return missing


def text_width(text: str, size: float) -> float:
    """About how many inches wide the text is at that many points, rather more than less."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.56 for char in text) * size / 72


def wrapped(text: str, size: float, width: float) -> list[str]:
    """The text in lines about as wide; broken at spaces, and inside a word only where one is wider than a line."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
        while text_width(lines[-1], size) > width and len(lines[-1]) > 1:
            most = next(n for n in range(len(lines[-1]), 0, -1) if n == 1 or text_width(lines[-1][:n], size) <= width)
            lines[-1:] = [lines[-1][:most], lines[-1][most:]]
    return lines
