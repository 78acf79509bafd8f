"""What a network says of a few photos while it learns, and where it looks, as pictures."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from captioner.files import written_whole
from captioner.outputs.fonts import font_for

# all of these in pixels
_WIDTH, _MARGIN, _GAP = 1240, 24, 8
PHOTO_SIDE = 260
_LINE, _LABEL, _LETTER_SIZE = 21, 76, 14
_TILE = 112
_TILES_A_LINE = (_WIDTH - 2 * _MARGIN + _GAP) // (_TILE + _GAP)
_LETTERS_A_LINE = 95
_MOST_EPOCHS = 6
_DARKEST = 0.3  # of its light, what is left of a region that is not looked at
_BLACK, _GREY = (25, 25, 28), (115, 115, 122)


@dataclass(frozen=True)
class Sample:
    """A photo and what was said of it, last that of which the words and the attention are.

    photo: (height, width, 3) uint8, no side above PHOTO_SIDE; history: epochs with their captions, in order;
    words: with the spaces before them; attention: (words, regions) float, or None.
    """

    image: str
    photo: np.ndarray
    references: tuple[str, ...]
    history: tuple[tuple[int, str], ...]
    words: tuple[str, ...]
    attention: np.ndarray | None

    @property
    def has_map(self) -> bool:
        """Whether there is attention, over regions that are a square."""
        if self.attention is None or not self.words:
            return False
        num_regions = self.attention.shape[1]
        return isqrt(num_regions) ** 2 == num_regions


def draw_samples(samples: Sequence[Sample], path: Path) -> None:
    """Writes a PNG: a row a photo, with its references, what was said after several epochs, and the last attention."""
    rows = [_draw_row(sample) for sample in samples]
    page = Image.new("RGB", (_WIDTH, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    with written_whole(path) as temporary:
        page.save(temporary, "PNG", compress_level=1)  # one that is small takes longer than all else


def draw_attention(sample: Sample) -> np.ndarray:
    """(height, width, 3) uint8: the photo once a word, bright where the network looked, the word above."""
    strip = Image.new("RGB", (_WIDTH, _height_of_tiles(sample) + _MARGIN), "white")
    _draw_tiles(strip, sample, _MARGIN // 2)
    return np.asarray(strip)


def shaded(photo: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The photo, dark where a word did not look. attention: (side, side) float, the regions of the squeezed photo."""
    height, width, _ = photo.shape
    looked = (attention / max(attention.max(), np.finfo(np.float32).tiny)) ** 0.7  # else only the brightest is seen
    light = Image.fromarray(looked.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return (photo * (_DARKEST + (1 - _DARKEST) * np.asarray(light)[..., None])).astype(np.uint8)


def few_of(history: Sequence, most: int = _MOST_EPOCHS) -> list:
    """The first, the last, and some between at equal distances."""
    places = np.linspace(0, len(history) - 1, min(most, len(history))).round().astype(int)
    return [history[place] for place in places]


def _draw_row(sample: Sample) -> Image.Image:
    lines = list(_lines(sample))
    head = max(sample.photo.shape[0], len(lines) * _LINE)
    row = Image.new("RGB", (_WIDTH, _MARGIN + head + _GAP + _height_of_tiles(sample) + _MARGIN), "white")
    row.paste(Image.fromarray(sample.photo), (_MARGIN, _MARGIN))
    left = _MARGIN + PHOTO_SIDE + _MARGIN
    for number, (label, text, colour, bold) in enumerate(lines):
        middle = _MARGIN + number * _LINE + _LINE // 2
        _write(row, (left, middle), label, "lm", _GREY)
        _write(row, (left + _LABEL, middle), text, "lm", colour, bold)
    _draw_tiles(row, sample, _MARGIN + head + _GAP)
    return row


def _lines(sample: Sample) -> Iterator[tuple[str, str, tuple, bool]]:
    """The text beside a photo: label, text, colour and whether it is bold, line by line."""
    yield "photo", sample.image, _GREY, False
    for number, reference in enumerate(sample.references):
        for line, part in enumerate(_wrapped(reference)):
            yield ("people" if number == line == 0 else ""), part, _GREY, False
    chosen = few_of(sample.history)
    for number, (epoch, caption) in enumerate(chosen, start=1):
        for line, part in enumerate(_wrapped(caption)):
            yield (f"epoch {epoch}" if line == 0 else ""), part, _BLACK, number == len(chosen)


def _wrapped(text: str) -> list[str]:
    is_wide = any(ord(letter) > 0x2E7F for letter in text)
    return textwrap.wrap(text, _LETTERS_A_LINE // 2 if is_wide else _LETTERS_A_LINE) or [""]


def _tile_shape(sample: Sample) -> tuple[int, int]:
    """Width and height."""
    height, width, _ = sample.photo.shape
    return tuple(max(1, round(side * _TILE / max(height, width))) for side in (width, height))


def _height_of_tiles(sample: Sample) -> int:
    num_lines = -(-len(sample.words) // _TILES_A_LINE) if sample.has_map else 0
    return num_lines * (_LINE + _tile_shape(sample)[1] + _GAP)


def _draw_tiles(page: Image.Image, sample: Sample, top: int) -> None:
    if not sample.has_map:
        return
    side = isqrt(sample.attention.shape[1])
    width, height = _tile_shape(sample)
    small = np.asarray(Image.fromarray(sample.photo).resize((width, height)))
    for place, (word, attention) in enumerate(zip(sample.words, sample.attention, strict=True)):
        line, column = divmod(place, _TILES_A_LINE)
        left, upper = _MARGIN + column * (_TILE + _GAP), top + line * (_LINE + height + _GAP)
        _write(page, (left + width // 2, upper + _LINE // 2), word.strip(), "mm", _BLACK)
        tile = shaded(small, attention.reshape(side, side))
        page.paste(Image.fromarray(tile), (left, upper + _LINE))


def _write(page: Image.Image, place: tuple[int, int], text: str, anchor: str, colour, bold: bool = False) -> None:
    ImageDraw.Draw(page).text(place, text, fill=colour, font=font_for(text, _LETTER_SIZE, bold), anchor=anchor)
