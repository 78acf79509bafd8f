"""The comparison as a picture: the gradient through time above, loss and scores by epoch below."""

from pathlib import Path

from captioner.files import written_whole

# By colour-blind eyes told apart, too (Wong 2011), and by their dashes in black and white.
_COLOURS = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73"}
_DASHES = {"hidden": "-", "memory": (0, (4, 1.5))}
_TEXT, _FAINT = "#333333", "#888888"
_LABEL_GAP = 0.062  # of a panel's height, from the middle of a label to that of the next
_PANELS_WIDE = 2


def draw_comparison(report: dict, path: Path) -> None:
    """Writes a PNG. report: as of `comparison_report`; panels without a figure to show are left out."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    decoders = report["decoders"]
    gradient = next(iter(decoders.values()))["gradient"]
    below = [panel for panel in (_loss_panel(decoders), _score_panel(decoders)) if panel]
    num_rows = 1 + bool(below)
    with rc_context({"font.size": 10.5, "text.color": _TEXT, "axes.labelcolor": _TEXT, "xtick.color": _TEXT}):
        figure = Figure(figsize=(10, 3.9 * num_rows), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
        rows = figure.subfigures(num_rows, 1, squeeze=False)[:, 0]  # each gives its labels the room that they need
        _draw_gradients(rows[0].subplots(1, _PANELS_WIDE), decoders, gradient)
        if below:
            for panel, content in zip(rows[1].subplots(1, len(below), squeeze=False)[0], below, strict=True):
                _draw_epochs(panel, *content)
        with written_whole(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def spread_out(places: list[float], gap: float) -> list[float]:
    """The places moved as little as keeps each at least a gap from the next, their order and their middle kept."""
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[tuple[float, list[int]]] = []  # (middle, members), none within reach of the next
    for index in order:
        groups.append((places[index], [index]))
        while len(groups) > 1 and _reach(groups[-2], gap, 1) > _reach(groups[-1], gap, -1) - gap:
            (_, one), (_, other) = groups.pop(-2), groups.pop()
            members = one + other
            groups.append((sum(places[member] for member in members) / len(members), members))
    moved = [0.0] * len(places)
    for middle, members in groups:
        for rank, member in enumerate(members):
            moved[member] = middle + gap * (rank - (len(members) - 1) / 2)
    return moved


def _reach(group: tuple[float, list[int]], gap: float, side: int) -> float:
    middle, members = group
    return middle + side * gap * (len(members) - 1) / 2


def _draw_gradients(panels, decoders: dict, gradient: dict) -> None:
    """Both panels on the same axes, so that what training did is seen by looking across."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    titles = {"trained": "Gradient through time, trained", "initial": "Gradient through time, before training"}
    lows, highs, labels_of = [], [], []
    for panel, (when, title) in zip(panels, titles.items(), strict=True):
        labels = []
        for decoder, facts in decoders.items():
            measured = facts["gradient"][when]
            for name, found in measured.items():
                shares, steps = found["share"], range(len(found["share"]))
                colour = _COLOURS[decoder]
                panel.plot(steps, shares, color=colour, linestyle=_DASHES[name], linewidth=2.2, solid_capstyle="round")
                panel.fill_between(steps, *found["quartiles"], color=colour, alpha=0.12, linewidth=0)
                kind = f" {name}" if len(measured) > 1 else ""
                labels.append((shares[-1], f"{decoder.upper()}{kind}", colour))
                lows += [*shares, *found["quartiles"][0]]
                highs += [*shares, *found["quartiles"][1]]
        panel.set_yscale("log")
        panel.set_title(title, loc="left", fontweight="bold", fontsize=11.5)
        panel.set_xlabel("steps back from the caption's last word")
        labels_of.append(labels)
    for panel, labels in zip(panels, labels_of, strict=True):
        panel.set_ylim(max(min(lows), 1e-12) / 1.6, max(highs) * 1.6)
        panel.yaxis.set_major_formatter(
            FuncFormatter(lambda share, _: f"{100 * share:g}%" if share >= 1e-6 else f"{share:g}")
        )
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        panel.axhline(1, color=_FAINT, linewidth=0.8, linestyle=":", zorder=0)
        _finish(panel, labels)
    panels[0].set_ylabel("share of the gradient that is left")
    panels[1].text(
        0.02,
        0.03,
        f"mean of {gradient['num_captions']} captions of {gradient['split']};\nshaded: the middle half of them",
        transform=panels[1].transAxes,
        fontsize=8.5,
        color=_FAINT,
        va="bottom",
    )


def _loss_panel(decoders: dict):
    """`(title, y label, lines, marks)`; a decoder that was trained before dev loss was logged is a mark alone."""
    lines, marks = {}, {}
    for decoder, facts in decoders.items():
        rows = [row for row in facts["epochs"] if "dev_loss" in row]
        if rows:
            lines[decoder] = [(row["epoch"], row["dev_loss"]) for row in rows]
        if facts["dev_loss"] is not None:
            marks[decoder] = (facts["best_epoch"], facts["dev_loss"])
    return ("Dev loss", "nats a token", lines, marks) if marks else None


def _score_panel(decoders: dict):
    lines, marks = {}, {}
    for decoder, facts in decoders.items():
        rows = [row for row in facts["epochs"] if "cider" in row]
        if rows:
            lines[decoder] = [(row["epoch"], 100 * row["cider"]) for row in rows]
            marks[decoder] = next(point for point in lines[decoder] if point[0] == facts["best_epoch"])
    return ("Dev CIDEr-D", "percent, beam of 3", lines, marks) if lines else None


def _draw_epochs(panel, title: str, unit: str, lines: dict, marks: dict) -> None:
    from matplotlib.ticker import MaxNLocator

    labels = []
    for decoder in _COLOURS:
        colour, points = _COLOURS[decoder], lines.get(decoder, [])
        if points:
            panel.plot(*zip(*points, strict=True), color=colour, linewidth=2.2, marker="o", markersize=3.5)
        if decoder in marks:
            panel.plot(*marks[decoder], color=colour, marker="o", markersize=9, fillstyle="none", markeredgewidth=1.6)
        if points or decoder in marks:
            labels.append(((points or [marks[decoder]])[-1][1], decoder.upper(), colour))
    panel.set_title(title, loc="left", fontweight="bold", fontsize=11.5)
    panel.set(xlabel="epoch (ring: the one that is kept)", ylabel=unit)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.margins(y=0.08)
    _finish(panel, labels)


def _finish(panel, labels: list[tuple[float, str, str]]) -> None:
    """Names at the right of the lines instead of a legend. labels: (value at the line's end, text, colour)."""
    panel.grid(alpha=0.25, linewidth=0.7)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    panel.margins(x=0.02)
    panel.get_xlim(), panel.get_ylim()  # settles both, which Matplotlib puts off
    to_axes = panel.transAxes.inverted()
    heights = [to_axes.transform(panel.transData.transform((0, value)))[1] for value, _, _ in labels]
    for height, (_, text, colour) in zip(spread_out(heights, _LABEL_GAP), labels, strict=True):
        panel.annotate(
            text, (1.015, height), xycoords="axes fraction", color=colour, va="center", fontsize=10, fontweight="bold"
        )
