"""The model card: what a run's record says, for people to read."""

_SCORES = {"bleu_1": "BLEU-1", "bleu_2": "BLEU-2", "bleu_3": "BLEU-3", "bleu_4": "BLEU-4"} | {
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
}
_MEASURES = ("loss", "reward")  # mean cross-entropy of a token in nats; mean CIDEr-D of what was said
_DECODERS = {"rnn": "an RNN", "lstm": "an LSTM", "gru": "a GRU"}


def model_card(name: str, record: dict) -> str:
    """Markdown. record: the content of training.json."""
    network, training, dataset = record["network"], record["training"], record["dataset"]
    looking = "with attention over its grid" if network["attention"] else "given its mean at the start"
    lines = [
        f"# {name}",
        "",
        f"Captions for photos: {record['encoder']['name']} sees, {_DECODERS[network['decoder']]} of"
        f" {network['units']} units, {looking}, speaks. {network['parameters']:,} parameters in the decoder,"
        f" a vocabulary of {dataset['tokenizer']['vocabulary_size']:,} tokens.",
        "",
        f"    captioner caption photo.jpg --model path/to/{name}",
        "",
        "## Data",
        "",
        "| split | photos | captions |",
        "|---|---|---|",
        *(f"| {split} | {c['photos']:,} | {c['captions']:,} |" for split, c in dataset["counts"].items()),
        "",
        "## Scores",
        "",
        *_score_lines(record),
        "",
        *_ladder_lines(record),
        "## Training",
        "",
        f"{_counted(len(record['epochs']), 'epoch')} in {_counted(round(record['seconds'] / 60), 'minute')}, seed"
        f" {training['seed']}, {training['batch_size']} photos a step, learning rate {_learning_rate(record):g};"
        f" the weights kept are those of {_kept(record)}.{_views_sentence(training)}"
        f"{_init_sentence(record)} Every option is in `training.json`.",
        *_second_phase_lines(record),
        "",
        *_epoch_lines(record["epochs"]),
    ]
    return "\n".join(lines) + "\n"


def _views_sentence(training: dict) -> str:
    share, crops = training.get("flipped_share"), training.get("crops")
    sentence = f" {share:.0%} of the photos were seen in a mirror, left said as right." if share else ""
    if crops:
        crop = "a random crop" if crops == 1 else f"one of {crops} random crops"
        sentence += f" Half of the time {crop} was seen in the photo's place."
    return sentence


def _init_sentence(record: dict) -> str:
    name = record.get("init")
    return f" It began with the weights of `{name}`, whose data and licence it inherits." if name else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _score_lines(record: dict) -> list[str]:
    scores = record.get("dev_scores")
    if scores is None:
        return ["There was no dev split to score."]
    return [
        f"On the {scores['num_photos']:,} photos of the dev split, beam {scores['beam_size']}, tokenizer"
        f" `{scores['tokenizer']}`, {scores['num_references'] / scores['num_photos']:g} references a photo:",
        "",
        "| " + " | ".join(_SCORES.values()) + " |",
        "|---" * len(_SCORES) + "|",
        "| " + " | ".join(f"{scores[name]:.4f}" for name in _SCORES) + " |",
    ]


def _ladder_lines(record: dict) -> list[str]:
    """A section with what every model on the way scored, each to be compared with the one above it."""
    if not record.get("ladder"):
        return []
    return [
        "## How it came to be",
        "",
        "The models on the way, scored on dev with the same search; in brackets the interval of 95% over photos drawn"
        " again; at the end what each run took, without those before it.",
        "",
        "| | " + " | ".join(_SCORES.values()) + " | words | distinct | broken endings | as in train | minutes |",
        "|---" * (len(_SCORES) + 6) + "|",
        *map(_ladder_row, record["ladder"]),
        "",
    ]


def _ladder_row(rung: dict) -> str:
    scores = rung["dev_scores"]
    cells = [rung["what"], *(_with_interval(scores, name) for name in _SCORES)]
    cells += [f"{scores['mean_words']:.1f}", f"{scores['num_distinct_captions']}"]
    cells += [f"{scores[name]:.1%}" for name in ("broken_endings", "from_train")]
    return "| " + " | ".join([*cells, f"{rung['seconds'] / 60:.0f}"]) + " |"


def _with_interval(scores: dict, name: str) -> str:
    low, high = scores["intervals"][name]
    return f"{100 * scores[name]:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _learning_rate(record: dict) -> float:
    """The decoder's, in the first of the epochs."""
    tuning, speaking = record.get("fine_tuning"), record.get("self_critical")
    second = speaking or tuning
    if second is None or second["num_settled_epochs"] > 0:
        return record["training"]["learning_rate"]
    return _second_learning_rate(tuning, speaking)


def _second_learning_rate(tuning: dict | None, speaking: dict | None) -> float:
    return tuning["decoder_learning_rate"] if speaking is None else speaking["learning_rate"]


def _kept(record: dict) -> str:
    return f"epoch {record['best_epoch']}" if record["best_epoch"] else f"{record['init']}, which it began with"


def _second_phase_lines(record: dict) -> list[str]:
    tuning, speaking = record.get("fine_tuning"), record.get("self_critical")
    second = speaking or tuning
    if second is None:
        return []
    rate = _second_learning_rate(tuning, speaking)
    sentences = [f"From epoch {second['num_settled_epochs'] + 1} on,"]
    if speaking is not None:
        sentences.append(
            "the decoder learned self-critically (Rennie et al. 2017): it drew"
            f" {speaking['samples']} captions a photo, each rewarded with its CIDEr-D less the mean of the"
            f" others, the end token counted; {speaking['cross_entropy_share']:.0%} of the loss was cross-entropy."
        )
    if tuning is not None:
        sentences.append(
            f"{'the' if speaking is None else 'The'} layers of the encoder behind `{tuning['cut']}` learned, too, at a"
            f" learning rate of {tuning['learning_rate']:g}, batch normalisation frozen."
        )
    sentences.append(f"The decoder's learning rate was {rate:g}.")
    if not second["is_kept"]:
        sentences.append("That did not raise CIDEr-D on dev, so the model is left as it was.")
    return ["", " ".join([*sentences, *_settling_sentences(record)])]


def _settling_sentences(record: dict) -> list[str]:
    settling = record.get("settling")
    if settling is None:
        return []
    photos = record["fine_tuning"]["calibration"]["photos"]
    epochs = _counted(len(settling["history"]), "more epoch")
    return [
        f"Then the encoder was written in integers, calibrated on {photos} train photos, and the decoder learned"
        f" {epochs} from what that gives, at a learning rate of {settling['learning_rate']:g};"
        + (f" epoch {settling['best_epoch']} of these was kept." if settling["is_kept"] else " that was not kept.")
    ]


def _epoch_lines(epochs: list[dict]) -> list[str]:
    """A table of the epochs, with dev scores (beam 3) where there are any."""
    shown = [name for name in ("bleu_4", "cider") if name in epochs[-1]]
    measures = [name for name in _MEASURES if any(name in row for row in epochs)]
    header = ["epoch", *measures, *(f"dev {_SCORES[name]}" for name in shown), "seconds"]
    return [
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *(
            f"| {row['epoch']} | "
            + "".join(f"{row[name]:.3f} | " if name in row else "| " for name in measures)
            + "".join(f"{row[name]:.4f} | " for name in shown)
            + f"{row['seconds']:.0f} |"
            for row in epochs
        ),
    ]
