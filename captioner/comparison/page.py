"""The comparison as a page to read: tables, the picture, and what was found."""

from collections.abc import Callable, Collection
from urllib.parse import quote

from captioner.comparison.findings import SCORE_NAMES, amount, carriers, display, findings, listed
from captioner.comparison.plan import FIGURE, REPORT

_SCORES = {"bleu_1": "BLEU-1", "bleu_2": "BLEU-2", "bleu_3": "BLEU-3", "bleu_4": "BLEU-4"} | {
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
}
_PHOTO_WIDTH = 160  # pixels
_SHOWN_STEPS = (1, 2, 4, 8)  # back, beside the last

# A row of the first table: what it says of a decoder's facts, "" where it was not measured.
_COSTS: dict[str, Callable[[dict], str]] = {
    "units": lambda facts: f"{facts['units']:,}",
    "attention heads": lambda facts: "" if facts["heads"] is None else f"{facts['heads']}",
    "parameters": lambda facts: f"{facts['parameters']:,}",
    "multiply-adds a token": lambda facts: f"{facts['multiply_adds_per_token'] / 1e6:.3g} M",
    "state a caption carries, bytes": lambda facts: f"{facts['state_bytes']:,}",
    "decoder as captioning reads it, MB": lambda facts: f"{facts['graph_bytes'] / 1e6:.1f}",
    "peak memory of its training, MB": lambda facts: (
        "" if facts["peak_memory_mb"] is None else f"{facts['peak_memory_mb']:,}"
    ),
    "seconds an epoch, measured in turn": lambda facts: _range(facts["seconds_per_epoch"].values()),
    "seconds an epoch, as it was trained": lambda facts: _range(facts["training_seconds"]),
    "epochs (kept)": lambda facts: f"{len(facts['epochs'])} ({facts['best_epoch']})",
    "dev loss, nats a token": lambda facts: "" if facts["dev_loss"] is None else f"{facts['dev_loss']:.3f}",
}


def compare_page(report: dict) -> str:
    """Markdown. report: as of `comparison_report`."""
    decoders = report["decoders"]
    names = listed([display(decoder) for decoder in decoders])
    lines = [
        f"# {names} compared",
        "",
        _how(report),
        "",
        "## What was found",
        "",
        *(f"- {sentence}" for sentence in findings(report)),
        "",
        f"![Gradient through time, loss and scores of {names}]({FIGURE})",
        "",
        "## What each costs",
        "",
        *_table(["", *map(display, decoders)], _cost_rows(decoders)),
        "",
        _cost_notes(decoders),
        "",
        *_score_lines(report),
        *_epoch_lines(decoders),
        *_gradient_lines(report),
        *_caption_lines(report),
        f"All figures, unrounded, are in `{REPORT}`; each decoder's folder is a model:"
        f" `captioner caption photo.jpg --model {next(iter(decoders))}`.",
    ]
    return "\n".join(lines) + "\n"


def _how(report: dict) -> str:
    dataset, network, training = report["dataset"], report["network"], report["training"]
    train = dataset["counts"]["train"]
    looking = "with attention" if network["attention"] else "without attention"
    if report["parameters_matched"]:
        width = f"{network['units']} units for the largest, the others widened to"
        width += f" {_nearness(report['decoders'], network['units'])}"
    else:
        width = f"{network['units']} units each"
    return (
        f"Each decoder was trained on the same {train['photos']:,} photos of `{dataset['name']}` with"
        f" {train['captions']:,} captions (a vocabulary of {dataset['vocabulary_size']:,} tokens; features of"
        f" {dataset['encoder']}, {dataset['num_regions']} regions of {dataset['depth']:,}), {looking}, {width}, word"
        f" embeddings of {network['embedding_dim']}; for up to {training['epochs']} epochs of"
        f" {training['batch_size']} photos a step at a learning rate of {training['learning_rate']:g}, seed"
        f" {training['seed']}. Captions are searched for with a beam of {report['decoding']['beam_size']}."
    )


def _nearness(decoders: dict, units: int) -> str:
    """How near the counts of parameters came to that of the largest of those that have the asked-for units."""
    target = max(facts["parameters"] for facts in decoders.values() if facts["units"] == units)
    apart = max(abs(facts["parameters"] / target - 1) for facts in decoders.values())
    return f"as many parameters (within {apart:.2%})"


def _range(values: Collection[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def _cost_rows(decoders: dict) -> list[list[str]]:
    rows = [[name, *(cell(facts) for facts in decoders.values())] for name, cell in _COSTS.items()]
    return [row for row in rows if any(row[1:])]


def _cost_notes(decoders: dict) -> str:
    notes = [
        "Seconds are of the steps of training alone. Measured in turn, each decoder took a step on the same batch"
        " before any took the next, again and again, and the quickest count, by each half of the turns; as it was"
        " trained, from the quickest epoch to the slowest, beside whatever else the machine had to do."
    ]
    if any(facts["peak_memory_mb"] is not None for facts in decoders.values()):
        notes.append(
            "Peak memory is the most that the process which trained this decoder alone held at any time: TensorFlow,"
            " the network with its optimizer, the pages of the features that are mapped into memory, and where photos"
            " had to be encoded in a mirror first, that, too."
        )
    if len({facts["heads"] for facts in decoders.values()}) > 1:
        notes.append(
            "Attention has as many heads as the units can be shared among, each of 64 or more: where these differ, more"
            " differs than the cell."
        )
    if any(facts["dev_loss"] is not None for facts in decoders.values()):
        notes.append("Dev loss is of the weights that are kept, without smoothing, each word told of those before it.")
    return " ".join(notes)


def _score_lines(report: dict) -> list[str]:
    lines = []
    for split, pairs in report["differences"].items():
        scored = {decoder: facts["scores"][split] for decoder, facts in report["decoders"].items()}
        first = next(iter(scored.values()))
        rows = [
            [label, *(_with_interval(scores, name) for scores in scored.values())] for name, label in _SCORES.items()
        ]
        rows.append(["different captions", *(f"{scores['num_distinct_captions']:,}" for scores in scored.values())])
        rows.append(["words a caption", *(f"{scores['mean_words']:.1f}" for scores in scored.values())])
        between = [
            [f"{display(pair['one'])} less {display(pair['other'])}", *(_apart(pair["scores"][n]) for n in SCORE_NAMES)]
            for pair in pairs
        ]
        lines += [
            f"## Scores on {split}",
            "",
            f"{first['num_photos']:,} photos, in percent, with {first['bootstrap']['level']:.0%} intervals over photos"
            f" drawn again ({first['bootstrap']['resamples']:,} times).",
            "",
            *_table(["", *map(display, scored)], rows),
            "",
            "Differences on the same photos drawn again, in bold where beyond chance:",
            "",
            *_table(["", *SCORE_NAMES.values()], between),
            "",
        ]
    return lines


def _with_interval(scores: dict, name: str) -> str:
    low, high = scores["intervals"][name]
    return f"{100 * scores[name]:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _apart(found: dict) -> str:
    low, high = found["interval"]
    difference = f"{100 * found['difference']:+.1f}"
    if found["verdict"] != "may be chance":
        difference = f"**{difference}**"
    return f"{difference} ({100 * low:+.1f} to {100 * high:+.1f})"


def _epoch_lines(decoders: dict) -> list[str]:
    """By epoch what each scored on dev; dev loss where it was written down."""
    shown = {"dev_loss": ("dev loss", 1, 3), "bleu_4": ("BLEU-4", 100, 1), "cider": ("CIDEr-D", 100, 1)}
    columns = [
        (decoder, name, *form)
        for name, form in shown.items()
        for decoder, facts in decoders.items()
        if any(name in row for row in facts["epochs"])
    ]
    if not columns:
        return []
    header = ["epoch", *(f"{display(decoder)}<br>{label}" for decoder, _, label, _, _ in columns)]
    rows = []
    for number in range(max(len(facts["epochs"]) for facts in decoders.values())):
        cells = []
        for decoder, name, _, factor, decimals in columns:
            epochs = decoders[decoder]["epochs"]
            value = epochs[number].get(name) if number < len(epochs) else None
            cells.append("" if value is None else f"{factor * value:.{decimals}f}")
        rows.append([f"{number + 1}", *cells])
    return ["## By epoch, on dev", "", "Scores with a beam of 3.", "", *_table(header, rows), ""]


def _gradient_lines(report: dict) -> list[str]:
    gradient = next(iter(report["decoders"].values()))["gradient"]
    trained, initial = carriers(report, "trained"), carriers(report, "initial")
    last = len(next(iter(trained.values()))) - 1
    steps = [step for step in _SHOWN_STEPS if step < last] + [last]
    rows = [
        [f"{name}, {when}", f"{carriers(report, key, 'norm')[name][0]:.2g}", *(amount(shares[k]) for k in steps)]
        for key, when, found in (("trained", "trained", trained), ("initial", "before training", initial))
        for name, shares in found.items()
    ]
    return [
        "## The gradient through time",
        "",
        "How much of the gradient of the loss at a caption's last word is left k steps back, as a share of what it is"
        f" at the last step itself: geometric means over the same {gradient['num_captions']} captions of"
        f" {gradient['split']}, each of {gradient['least_words']} words or more. The loss is the surprise at the last"
        " word; it is differentiated with respect to the cell's state k steps earlier, which it depends on through the"
        " cell's own steps alone, since attention asks with the last hidden state. (Bengio et al. 1994; Hochreiter and"
        " Schmidhuber 1997; Pascanu et al. 2013.)",
        "",
        *_table(["", "norm at the last step", *(f"{step} back" for step in steps)], rows),
        "",
    ]


def _caption_lines(report: dict) -> list[str]:
    captions = report["captions"]
    if not captions:
        return []
    header = ["photo", *(display(decoder) for decoder in report["decoders"])]
    rows = [[_photo(entry), *(_cell(text) for text in entry["captions"].values())] for entry in captions]
    return ["## The same photos, as each says them", "", *_table(header, rows), ""]


def _photo(entry: dict) -> str:
    name = _cell(entry["photo"])
    if entry["path"] is None:
        return name
    return f'<img src="{quote(entry["path"])}" width="{_PHOTO_WIDTH}" alt="{name}"><br>{name}'


def _cell(text: str) -> str:
    """Text that ends no cell and opens no tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("|", "\\|")


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] + ["---:" if _is_number_column(rows, place) else "---" for place in range(1, len(header))]]
    return ["| " + " | ".join(cells) + " |" for cells in [*lines, *rows]]


def _is_number_column(rows: list[list[str]], place: int) -> bool:
    return all(not row[place] or row[place].lstrip("*+-")[:1].isdigit() for row in rows)
