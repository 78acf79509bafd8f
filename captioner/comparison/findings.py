"""What was found, in sentences made from the numbers, whatever was expected of them."""

from captioner.metrics import LEVEL

SCORE_NAMES = {"cider": "CIDEr-D", "bleu_4": "BLEU-4"}
_ALIKE = 0.03  # seconds an epoch that differ by less say nothing
_CARRIED = {"hidden": "hidden state", "memory": "memory cell"}


def findings(report: dict) -> list[str]:
    """report: as of `comparison_report`. One sentence or a few an item; what was not measured is not spoken of."""
    split = scored_split(report)
    sentences = [] if split is None else [_score_sentence(report, split, name) for name in SCORE_NAMES]
    sentences += [*_loss_sentences(report), _speed_sentence(report), *_gru_sentences(report)]
    return [*sentences, *_gradient_sentences(report), _caveat(report)]


def scored_split(report: dict) -> str | None:
    """The split that decides: test where there is one."""
    return next((split for split in ("test", "dev") if split in report["differences"]), None)


def display(decoder: str) -> str:
    return decoder.upper()


def amount(share: float) -> str:
    """Of what is left of a gradient: "3.1 times as much", "42%", "0.031%", "a share of 2e-07"."""
    if share >= 2:
        return f"{share:,.1f} times as much"
    if share >= 0.1:
        return f"{100 * share:.0f}%"
    return f"{100 * share:.2g}%" if share >= 1e-5 else f"a share of {share:.0e}"


def listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _of(decoder: str) -> str:
    return f"the {display(decoder)}"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _score_sentence(report: dict, split: str, name: str) -> str:
    values = {decoder: facts["scores"][split][name] for decoder, facts in report["decoders"].items()}
    first, *others = sorted(values, key=values.get, reverse=True)
    num_photos = report["decoders"][first]["scores"][split]["num_photos"]
    best = f"{_of(first)} has the highest {SCORE_NAMES[name]}, {100 * values[first]:.1f}"
    told = [f"On {split} ({num_photos:,} photos) {best}."]
    for other in others:
        found = _difference(report, split, first, other)[name]
        low, high = (100 * bound for bound in found["interval"])
        chance = "beyond chance" if found["p_value"] < 1 - LEVEL else "may be chance"
        told.append(
            f"{_capital(_of(other))} is {100 * found['difference']:.1f} behind ({LEVEL:.0%} interval of the difference"
            f" {low:+.1f} to {high:+.1f}): {chance}."
        )
    return " ".join(told)


def _difference(report: dict, split: str, one: str, other: str) -> dict:
    """The scores of one less those of the other, whichever way round they were compared."""
    for pair in report["differences"][split]:
        if (pair["one"], pair["other"]) == (one, other):
            return pair["scores"]
        if (pair["one"], pair["other"]) == (other, one):
            return {
                name: found
                | {"difference": -found["difference"], "interval": [-bound for bound in reversed(found["interval"])]}
                for name, found in pair["scores"].items()
            }
    raise KeyError((one, other))


def _loss_sentences(report: dict) -> list[str]:
    losses = {decoder: facts["dev_loss"] for decoder, facts in report["decoders"].items()}
    if None in losses.values():
        return []
    first, *others = sorted(losses, key=losses.get)
    behind = listed([f"{losses[other] - losses[first]:.3f} above it {_of(other)}" for other in others])
    told = f"{_of(first)} is least surprised by what people wrote of dev: {losses[first]:.3f} nats a token; {behind}."
    return [_capital(told)]


def _speed_sentence(report: dict) -> str:
    seconds = {decoder: facts["seconds_per_epoch"] for decoder, facts in report["decoders"].items()}
    first, *others = sorted(seconds, key=lambda decoder: seconds[decoder]["low"])
    told = listed([f"{_of(other)} takes {_times(seconds[first], seconds[other])}" for other in others])
    return f"{_capital(_of(first))} is trained fastest, {_seconds(seconds[first]['low'])} an epoch; {told}."


def _times(fast: dict, slow: dict) -> str:
    if _are_alike(fast, slow):
        return "as long (as far as it could be measured)"
    return f"{slow['low'] / fast['low']:.2f} times as long"


def _are_alike(fast: dict, slow: dict) -> bool:
    """Whether seconds an epoch, `{"low", "high"}`, differ by no more than the measurement itself does."""
    return slow["low"] <= max(fast["high"], (1 + _ALIKE) * fast["low"])


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _gru_sentences(report: dict) -> list[str]:
    """What the GRU saves beside the LSTM: the reason that many give for it."""
    decoders = report["decoders"]
    if not {"gru", "lstm"} <= decoders.keys():
        return []
    gru, lstm = decoders["gru"], decoders["lstm"]
    ours, theirs = gru["seconds_per_epoch"], lstm["seconds_per_epoch"]
    ratio = ours["low"] / theirs["low"]
    saved = 1 - gru["parameters"] / lstm["parameters"]
    size = f"{abs(saved):.1%} {'fewer' if saved > 0 else 'more'} parameters" if saved else "as many parameters"
    if _are_alike(*sorted((ours, theirs), key=lambda seconds: seconds["low"])):
        speed = "is neither faster nor slower to train than the LSTM here, as far as it could be measured"
    elif ratio < 1:
        speed = f"is trained in {ratio:.2f} of the LSTM's time"
    else:
        speed = f"is slower to train than the LSTM here, by a factor of {ratio:.2f}"
    carried = f"{gru['state_bytes'] / lstm['state_bytes']:.2f} of the bytes"
    return [f"The GRU, with {size}, {speed}; a caption carries {carried} from word to word."]


def carriers(report: dict, when: str, figure: str = "share") -> dict[str, list[float]]:
    """What is left of the gradient k steps back, by who carries it: "RNN", "LSTM, memory cell".

    when: "trained" or "initial"; figure: "share" or "norm".
    """
    found = {}
    for decoder, facts in report["decoders"].items():
        measured = facts["gradient"][when]
        for name, norms in measured.items():
            found[display(decoder) + (f", {_CARRIED[name]}" if len(measured) > 1 else "")] = norms[figure]
    return found


def _gradient_sentences(report: dict) -> list[str]:
    gradient = next(iter(report["decoders"].values()))["gradient"]
    trained, initial = carriers(report, "trained"), carriers(report, "initial")
    steps = len(next(iter(trained.values()))) - 1
    order = sorted(trained, key=lambda name: trained[name][-1])
    left = listed(
        [f"{amount(trained[name][-1])} ({name}; a factor of {_a_step(trained[name]):.2f} a step)" for name in order]
    )
    at_first = listed([f"{amount(initial[name][-1])} ({name})" for name in order])
    told = [
        f"Of the gradient of the loss at a caption's last word, this is left {steps} steps back in the trained networks"
        f" (geometric mean over {gradient['num_captions']} captions of {gradient['split']}, each of"
        f" {gradient['least_words']} words or more): {left}. Before training it was {at_first}."
    ]
    return [*told, *_memory_sentences(trained, steps)]


def _a_step(shares: list[float]) -> float:
    return (shares[-1] / shares[0]) ** (1 / max(1, len(shares) - 1))


def _memory_sentences(trained: dict[str, list[float]], steps: int) -> list[str]:
    """Whether the memory cell mends what the RNN is said to suffer from."""
    if not {"RNN", "LSTM, memory cell"} <= trained.keys():
        return []
    rnn, memory = trained["RNN"][-1], trained["LSTM, memory cell"][-1]
    fades = "falls away" if rnn < 0.5 else ("holds" if rnn < 2 else "grows")
    told = f"Over these {steps} steps the RNN's gradient {fades}"
    ratio = memory / rnn
    if ratio > 1.1:
        return [f"{told}, and the LSTM's memory cell carries {ratio:,.1f} times as much of its own."]
    if ratio < 1 / 1.1:
        return [f"{told}, but the LSTM's memory cell carries no more of its own: {amount(ratio)} of what the RNN does."]
    return [f"{told}, and the LSTM's memory cell carries as much of its own."]


def _caveat(report: dict) -> str:
    return (
        f"Each was trained once, with seed {report['training']['seed']}: the intervals say how far the choice of photos"
        " reaches, not how far another seed would. Seconds are of a machine of"
        f" {report['cores']} core{'' if report['cores'] == 1 else 's'}, from steps that the decoders took in turn."
    )
