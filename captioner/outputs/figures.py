"""Figures; Matplotlib is imported when the first is drawn."""

from pathlib import Path

from captioner.files import written_whole

_MEASURES = {"loss": ("training loss", "nats a token"), "reward": ("reward in training", "CIDEr-D")}
SCORE_LABELS = {"bleu_1": "BLEU-1", "bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "cider": "CIDEr-D"}


def draw_learning_curves(history: list[dict], best_epoch: int, path: Path) -> None:
    """Writes a PNG: the loss an epoch, the reward where there is one, and the dev scores where there are any.

    history: one dict an epoch, as in log.csv: `epoch`, `loss` or `reward`, and perhaps the names of SCORE_LABELS.
    best_epoch: the one that is kept, 0 for none of them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    has_scores = any(row.get("cider") is not None for row in history)
    measures = [name for name in _MEASURES if any(name in row for row in history)]
    num_panels = len(measures) + has_scores
    figure = Figure(figsize=(5 * num_panels, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, num_panels, squeeze=False)[0]
    for panel, name in zip(panels, measures, strict=False):
        rows = [row for row in history if name in row]
        panel.plot(
            [row["epoch"] for row in rows], [row[name] for row in rows], marker="o", markersize=3, color="tab:red"
        )
        title, unit = _MEASURES[name]
        panel.set(title=title, xlabel="epoch", ylabel=unit)
    if has_scores:
        epochs = [row["epoch"] for row in history]
        for name, label in SCORE_LABELS.items():
            panels[-1].plot(epochs, [row[name] for row in history], marker="o", markersize=3, label=label)
        if best_epoch:
            panels[-1].axvline(best_epoch, color="grey", linestyle=":", linewidth=1, label="kept")
        panels[-1].set(title="dev scores", xlabel="epoch", ylim=(0, None))
        panels[-1].legend()
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
