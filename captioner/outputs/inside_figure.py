"""What the decoder's cell did at every word: its gates and states, below each other on one axis of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.explaining import CELLS, Explanation
from captioner.outputs.pages import BOLD, GREY, NOTE_LINE, NOTE_SIZE, PAGE_MARGIN, Page, Section, text_width, wrapped

MARGIN_LEFT, MARGIN_RIGHT = 0.85, 0.75  # inches, of the axis of time
NUM_SHOWN_UNITS = 24
_TITLE_HEIGHT, _LINE_HEIGHT, _LINE_GAP, _MAP_HEIGHT, _GAP = 0.24, 0.62, 0.05, 0.54, 0.17
_SENTENCE_LEFT = 1.12  # of the axis' left, behind the longest title
_TICK_SIZE, _TICK_HEIGHT = 9.5, 0.27
_SLANT = 40  # degrees, of words where they would not fit side by side
_MARK, _LINE = "#c5221f", "#1a4f8b"


@dataclass(frozen=True)
class Look:
    """How a part of the cell is shown. sentence: what it means; low, high: of its scale, None for the values' own."""

    title: str
    sentence: str
    low: float | None
    high: float | None
    colours: str


LOOKS = {
    "forget_gate": Look("Forget gate", "1 keeps the memory, 0 clears it.", 0, 1, "viridis"),
    "input_gate": Look("Input gate", "1 writes what is new into the memory, 0 writes nothing.", 0, 1, "viridis"),
    "output_gate": Look("Output gate", "1 lets the memory be heard in the hidden state, 0 mutes it.", 0, 1, "viridis"),
    "memory": Look("Memory cell", "What was kept plus what was written; it has no bounds.", None, None, "RdBu_r"),
    "update_gate": Look("Update gate", "1 keeps the hidden state, 0 replaces it by what is new.", 0, 1, "viridis"),
    "reset_gate": Look("Reset gate", "1 lets the past shape what is new, 0 leaves it out.", 0, 1, "viridis"),
    "hidden": Look("Hidden state", "What the next word is chosen by, from -1 to 1.", -1, 1, "RdBu_r"),
}
_FORGETTING = {"lstm": "forgets most", "gru": "replaces most"}


def inside_sections(explanation: Explanation, kinds: Sequence[str], width: float) -> Iterable[Section]:
    """The parts of those kinds (`CELLS`) on a page that wide: heading, the words chosen, a row a part, the words read.

    Every row is the mean over the units with a band of one standard deviation, and a map of the same few units.
    """
    parts = [part for kind in kinds for part in CELLS[explanation.decoder].parts[kind] if part in LOOKS]
    units = units_that_change_most(explanation, NUM_SHOWN_UNITS)
    yield _heading(explanation, len(units), width)
    chosen = [step.chosen.token for step in explanation.steps]
    read = [step.read for step in explanation.steps]
    column = (width - MARGIN_LEFT - MARGIN_RIGHT) / len(chosen)
    is_slanted = max(text_width(word, _TICK_SIZE * BOLD) for word in (*chosen, *read)) > column
    yield _words(chosen, "chooses", width, is_slanted, above=True)
    for part in parts:
        yield _row(explanation, part, units, width)
    yield _words(read, "has read", width, is_slanted, above=False)


def units_that_change_most(explanation: Explanation, count: int) -> np.ndarray:
    """The units whose memory, or hidden state where there is no memory, moves most from step to step; those that move
    earliest come first.
    """
    state = CELLS[explanation.decoder].states[-1]
    moves = np.abs(np.diff(explanation.activations[state], axis=0, prepend=explanation.first_state[state][None]))
    most = np.argsort(-moves.sum(axis=0), kind="stable")[:count]
    return most[np.argsort(moves[:, most].argmax(axis=0), kind="stable")]


def _heading(explanation: Explanation, num_shown: int, width: float) -> Section:
    title, source = CELLS[explanation.decoder].title, CELLS[explanation.decoder].source
    looks = "" if explanation.attention is None else " looks at the photo,"
    said = (
        f"A column is a step: the {title} reads a word (below), changes its state,{looks} and chooses the"
        f" next word (above). Line and band: mean and standard deviation over all {explanation.num_units} units. Map:"
        f" the {num_shown} units whose state changes most, a row each, the same in every map."
    )
    lines = wrapped(said, NOTE_SIZE, width - 2 * PAGE_MARGIN)

    def draw(page: Page, top: float) -> None:
        page.text(PAGE_MARGIN, top + 0.1, f"Inside the {title}", fontsize=12, weight="bold")
        source_left = PAGE_MARGIN + text_width(f"Inside the {title}", 12 * BOLD) + 0.1
        page.text(source_left, top + 0.1 + 0.035, source, color=GREY)
        page.note(PAGE_MARGIN, top + 0.38, lines)

    return Section(0.38 + NOTE_LINE * len(lines) + 0.1, draw)


def _columns(page: Page, top: float, width: float, height: float, num_steps: int):
    axes = page.axes(MARGIN_LEFT, top, width - MARGIN_LEFT - MARGIN_RIGHT, height)
    axes.set(xlim=(-0.5, num_steps - 0.5), xticks=[])
    return axes


def _words(words: list[str], label: str, width: float, is_slanted: bool, above: bool) -> Section:
    """The words under or over their columns, those that are chosen in bold."""
    longest = max(text_width(word, _TICK_SIZE * (BOLD if above else 1)) for word in words)
    height = _TICK_HEIGHT + (longest * np.sin(np.radians(_SLANT)) if is_slanted else 0)
    style = {"fontsize": _TICK_SIZE, "parse_math": False, "weight": "bold" if above else "normal"}
    if is_slanted:
        style |= {"rotation": _SLANT, "rotation_mode": "anchor", "ha": "left" if above else "right"}

    def draw(page: Page, top: float) -> None:
        axes = _columns(page, top, width, height, len(words))
        axes.set(ylim=(0, 1))
        axes.axis("off")
        edge = 0.1 / height if above else 1 - 0.04 / height
        for place, word in enumerate(words):
            axes.text(place, edge, word, va="bottom" if above else "top", **({"ha": "center"} | style))
        baseline = top + height - 0.1 if above else top + 0.04
        va = "bottom" if above else "top"
        page.text(MARGIN_LEFT - 0.12, baseline, label, ha="right", va=va, color=GREY, style="italic")

    return Section(height, draw)


def _row(explanation: Explanation, part: str, units: np.ndarray, width: float) -> Section:
    """The part's name and sentence, its line, and its map."""
    look, values = LOOKS[part], explanation.activation(part)
    forgets = explanation.forgets_most

    def draw(page: Page, top: float) -> None:
        page.text(MARGIN_LEFT, top, look.title, fontsize=10, weight="bold")
        page.text(MARGIN_LEFT + _SENTENCE_LEFT, top + 0.012, look.sentence, color="#333333")
        lines = _columns(page, top + _TITLE_HEIGHT, width, _LINE_HEIGHT, len(values))
        _draw_line(lines, values, look)
        map_top = top + _TITLE_HEIGHT + _LINE_HEIGHT + _LINE_GAP
        units_map = _columns(page, map_top, width, _MAP_HEIGHT, len(values))
        bar = page.axes(width - MARGIN_RIGHT + 0.1, map_top, 0.1, _MAP_HEIGHT)
        _draw_map(units_map, bar, values[:, units], look)
        if forgets is not None:
            for axes in (lines, units_map):
                axes.axvline(forgets, color=_MARK, linewidth=1.1, linestyle=(0, (2, 2)))
        if part == CELLS[explanation.decoder].keeping_gate:
            least = values[forgets].mean()
            lines.plot(forgets, least, marker="v", color=_MARK, markersize=7, zorder=3)
            said = f"▼ {_FORGETTING[explanation.decoder]} after “{explanation.steps[forgets].read}”: mean {least:.2f}"
            page.text(width - MARGIN_RIGHT, top + 0.012, said, color=_MARK, ha="right")

    return Section(_TITLE_HEIGHT + _LINE_HEIGHT + _LINE_GAP + _MAP_HEIGHT + _GAP, draw)


def _draw_line(axes, values: np.ndarray, look: Look) -> None:
    """Mean and standard deviation over the units. values: (steps, units)."""
    mean, spread = values.mean(axis=1), values.std(axis=1)
    steps, below, above = np.arange(len(values)), mean - spread, mean + spread
    if look.low is not None:  # no unit is beyond these, and so the band need not be
        below, above = np.maximum(below, look.low), np.minimum(above, look.high)
        axes.set(ylim=(look.low - 0.04, look.high + 0.04), yticks=[look.low, (look.low + look.high) / 2, look.high])
    axes.fill_between(steps, below, above, color=_LINE, alpha=0.16, linewidth=0)
    axes.plot(steps, mean, color=_LINE, marker="o", markersize=3.5, linewidth=1.5)
    axes.set_ylabel("activation", fontsize=8, color=GREY)
    axes.tick_params(labelsize=8, colors=GREY, length=2)
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_map(axes, bar_axes, values: np.ndarray, look: Look) -> None:
    """values: (steps, shown units)."""
    most = float(np.abs(values).max()) or 1.0  # a scale of no length cannot be drawn
    low, high = (-most, most) if look.low is None else (look.low, look.high)
    image = axes.imshow(values.T, aspect="auto", vmin=low, vmax=high, cmap=look.colours, interpolation="nearest")
    axes.set_yticks([])
    axes.set_ylabel("units", fontsize=8, color=GREY)
    bar, ticks = axes.figure.colorbar(image, cax=bar_axes), (low, (low + high) / 2, high)
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.ax.tick_params(labelsize=7, length=2, colors=GREY)
    bar.outline.set_visible(False)
