"""An explanation as a picture: where the decoder looked at every word, what else it might have said, and its inside."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from captioner.explaining import CELLS, Candidate, Explanation, Step, check_kinds
from captioner.outputs.attention import lit_by, resized
from captioner.outputs.inside_figure import MARGIN_LEFT, MARGIN_RIGHT, inside_sections
from captioner.outputs.pages import (
    BOLD,
    DPI,
    GREY,
    NOTE_LINE,
    NOTE_SIZE,
    PAGE_MARGIN,
    Page,
    Section,
    text_width,
    wrapped,
    write_page,
)

WIDTH = 10.0  # inches
_MOST_IN_A_ROW = 8  # words; those of a single row stand above their columns of the axis of time
_GAP = 0.1
_MOST_PHOTO_WIDTH, _TALLEST = 1.6, 1.4  # of a photo: inches, and height over width
_WORD_SIZE, _OTHERS_SIZE = 10.5, 8.5
_MOST_BEAMS, _BEAM_LINE, _BEAM_LEFT = 10, 0.19, 1.35  # inches from line to line; of the captions
_CHOSEN = "#0b6e4f"


def draw_explanation(explanation: Explanation, path: Path, kinds: Sequence[str] | None = None) -> str:
    """Writes the picture as PNG, SVG or PDF, by the file's suffix; gives back the characters that no font here has.

    kinds: what of the decoder's cell is shown, all of it by default.
    Raises: OptionsError for another suffix, or a kind that the decoder's cell lacks; CaptionerError when the file
    cannot be written.
    """
    kinds = tuple(CELLS[explanation.decoder].parts) if kinds is None else tuple(kinds)
    check_kinds(explanation.decoder, kinds)
    words = "".join(
        [beam.text for beam in explanation.beams]
        + [candidate.token for step in explanation.steps for candidate in (step.chosen, *step.runners_up)]
    )
    sections = [_heading(explanation), *_words(explanation), *inside_sections(explanation, kinds, WIDTH)]
    return write_page(path, WIDTH, [*sections, _beams(explanation)], words)


def _heading(explanation: Explanation) -> Section:
    width = WIDTH - 2 * PAGE_MARGIN
    caption = wrapped(f"“{explanation.caption}”", 15 * BOLD, width)
    lines = [line for text in _how_to_read(explanation) for line in wrapped(text, NOTE_SIZE, width)]

    def draw(page: Page, top: float) -> None:
        for nth, line in enumerate(caption):
            page.text(PAGE_MARGIN, top + 0.2 + 0.3 * nth, line, fontsize=15, weight="bold")
        page.note(PAGE_MARGIN, top + 0.26 + 0.3 * len(caption), lines)

    return Section(0.26 + 0.3 * len(caption) + NOTE_LINE * len(lines) + 0.1, draw)


def _how_to_read(explanation: Explanation) -> Iterable[str]:
    yield (
        f"{explanation.model}: {CELLS[explanation.decoder].title} of {explanation.num_units} units,"
        f" beam of {explanation.options.beam_size}, confidence {explanation.confidence:.2f}"
        " (geometric mean of the words' probabilities)"
    )
    yield (
        "Under each word its probability, given the photo and the words before it; below, what else the network might"
        " have said there, in orange where that was likelier: the search ranks whole captions, not words."
    )
    if explanation.attention is not None:
        rows, columns = explanation.attention.shape[1:]
        heads = f", mean of {explanation.num_heads} heads" if explanation.num_heads > 1 else ""
        yield (
            f"Colour: where it looked to choose the word (attention over {rows} x {columns} regions{heads})."
            f" Darkest red: {explanation.attention.max():.1%} of its attention on a single region; spread evenly,"
            f" each has {1 / (rows * columns):.1%}."
        )


def _words(explanation: Explanation) -> Iterable[Section]:
    """The words with their photos in rows; without attention the photo once, then the words."""
    steps = explanation.steps
    num_rows = -(-len(steps) // _MOST_IN_A_ROW)
    in_a_row = -(-len(steps) // num_rows)
    left, right = (MARGIN_LEFT, MARGIN_RIGHT) if num_rows == 1 else (PAGE_MARGIN, PAGE_MARGIN)
    column = (WIDTH - left - right) / in_a_row
    photo_width, photo_height = _photo_size(explanation, column - _GAP)
    if explanation.attention is None:
        yield _photo_once(explanation)
        photo_height = 0.0
    for start in range(0, len(steps), in_a_row):
        yield _word_row(
            explanation, range(start, min(start + in_a_row, len(steps))), left, column, photo_width, photo_height
        )


def _photo_size(explanation: Explanation, width: float) -> tuple[float, float]:
    """Width and height in inches, in the photo's own proportions."""
    height, across = explanation.photo_shape
    width = min(width, _MOST_PHOTO_WIDTH)
    tall = width * height / across
    return (width, tall) if tall <= width * _TALLEST else (width * _TALLEST * across / height, width * _TALLEST)


def _photo_once(explanation: Explanation) -> Section:
    width, height = _photo_size(explanation, _MOST_PHOTO_WIDTH)
    width, height = 1.5 * width, 1.5 * height

    def draw(page: Page, top: float) -> None:
        _show(page, resized(explanation.photo, _pixels(width, height)), PAGE_MARGIN, top, width, height)
        said = "This model has no attention: it saw the photo once,\nin the state that its first step starts from."
        page.text(PAGE_MARGIN + width + 0.2, top + 0.02, said, color=GREY, linespacing=1.35)

    return Section(height + 0.15, draw)


def _word_row(
    explanation, places: range, left: float, column: float, photo_width: float, photo_height: float
) -> Section:
    word_height, line_height = 0.42, 0.155
    num_others = max(len(step.runners_up) for step in explanation.steps)

    def draw(page: Page, top: float) -> None:
        for nth, place in enumerate(places):
            middle = left + (nth + 0.5) * column
            step = explanation.steps[place]
            size = min(_WORD_SIZE, _WORD_SIZE * (column - 0.04) / text_width(step.chosen.token, _WORD_SIZE * BOLD))
            style = {"ha": "center", "weight": "bold"}
            page.text(middle, top + 0.2, step.chosen.token, fontsize=size, **style | {"va": "bottom"})
            page.text(middle, top + 0.22, _percent(step.chosen), ha="center", color=_CHOSEN, weight="bold")
            if photo_height:
                pixels = lit_by(
                    explanation.photo,
                    explanation.attention[place],
                    explanation.attention.max(),
                    _pixels(photo_width, photo_height),
                )
                _show(page, pixels, middle - photo_width / 2, top + word_height, photo_width, photo_height)
            _draw_others(page, step, middle, top + word_height + photo_height + 0.05, column, line_height)

    return Section(word_height + photo_height + 0.05 + num_others * line_height + 0.18, draw)


def _draw_others(page: Page, step: Step, middle: float, top: float, column: float, line_height: float) -> None:
    for nth, other in enumerate(step.runners_up):
        text = f"{other.token} {_percent(other)}"
        size = min(_OTHERS_SIZE, _OTHERS_SIZE * (column - 0.04) / text_width(text, _OTHERS_SIZE))
        likelier = other.probability > step.chosen.probability
        page.text(
            middle, top + nth * line_height, text, fontsize=size, ha="center", color="#b3470b" if likelier else GREY
        )


def _percent(candidate: Candidate) -> str:
    return f"{candidate.probability:.0%}" if candidate.probability >= 0.005 else "<1%"


def _beams(explanation: Explanation) -> Section:
    beams, width = explanation.beams[:_MOST_BEAMS], WIDTH - 2 * PAGE_MARGIN
    said = wrapped(
        "Captions that the search finished, best first: their score, and in brackets their log-probability. Score ="
        f" log-probability / tokens^{explanation.options.length_exponent:g}, the end counted; the highest wins.",
        NOTE_SIZE,
        width,
    )
    rows = [
        (beam, line)
        for beam in beams
        for line in wrapped(beam.text, NOTE_SIZE * (BOLD if beam is beams[0] else 1), width - _BEAM_LEFT)
    ]
    more = len(explanation.beams) - len(beams)
    rows += [(None, f"and {more} more")] if more else []
    first_line = 0.5 + NOTE_LINE * len(said) + 0.18

    def draw(page: Page, top: float) -> None:
        page.text(PAGE_MARGIN, top + 0.2, "What the search weighed", fontsize=12, weight="bold")
        page.note(PAGE_MARGIN, top + 0.48, said)
        previous = None
        for nth, (beam, line) in enumerate(rows):
            baseline = top + first_line + nth * _BEAM_LINE
            style = {"va": "baseline"} | ({"weight": "bold", "color": _CHOSEN} if beam is beams[0] else {})
            if beam is not None and beam is not previous:
                page.text(PAGE_MARGIN + 0.55, baseline, f"{beam.score:.3f}", ha="right", **style)
                page.text(PAGE_MARGIN + 1.2, baseline, f"({beam.log_prob:.2f})", ha="right", va="baseline", color=GREY)
            page.text(PAGE_MARGIN + _BEAM_LEFT, baseline, line, **style)
            previous = beam

    return Section(first_line + _BEAM_LINE * len(rows) + 0.1, draw)


def _pixels(width: float, height: float) -> tuple[int, int]:
    return max(1, round(height * DPI)), max(1, round(width * DPI))


def _show(page: Page, pixels, left: float, top: float, width: float, height: float) -> None:
    axes = page.axes(left, top, width, height)
    axes.imshow(pixels, aspect="auto", interpolation="none")
    axes.axis("off")
