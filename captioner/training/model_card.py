"""The model card: what a run's record says, for people to read."""

_SCORES = {"bleu_1": "BLEU-1", "bleu_2": "BLEU-2", "bleu_3": "BLEU-3", "bleu_4": "BLEU-4"} | {
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
}
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
        "## Training",
        "",
        f"{len(record['epochs'])} epochs of teacher forcing in {record['seconds'] / 60:.0f} minutes, seed"
        f" {training['seed']}, {training['batch_size']} photos a step, learning rate {_learning_rate(record):g};"
        f" the weights kept are those of {_kept(record)}.{_mirror_sentence(training)}"
        " Every option is in `training.json`.",
        *_fine_tuning_lines(record),
        "",
        *_epoch_lines(record["epochs"]),
    ]
    return "\n".join(lines) + "\n"


def _mirror_sentence(training: dict) -> str:
    share = training.get("flipped_share")
    return f" {share:.0%} of the photos were seen in a mirror, left said as right." if share else ""


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


def _learning_rate(record: dict) -> float:
    """The decoder's, in the first of the epochs."""
    tuning = record.get("fine_tuning")
    begins_settled = tuning is not None and tuning["num_settled_epochs"] == 0
    return tuning["decoder_learning_rate"] if begins_settled else record["training"]["learning_rate"]


def _kept(record: dict) -> str:
    return f"epoch {record['best_epoch']}" if record["best_epoch"] else f"{record['init']}, which it began with"


def _fine_tuning_lines(record: dict) -> list[str]:
    tuning = record.get("fine_tuning")
    if tuning is None:
        return []
    kept = "" if tuning["is_kept"] else " That did not raise CIDEr-D on dev, so the encoder is left as it was."
    return [
        "",
        f"From epoch {tuning['num_settled_epochs'] + 1} on, the layers of the encoder behind `{tuning['cut']}` learned,"
        f" too, at a learning rate of {tuning['learning_rate']:g} (the decoder at {tuning['decoder_learning_rate']:g}),"
        f" batch normalisation frozen.{kept}",
    ]


def _epoch_lines(epochs: list[dict]) -> list[str]:
    """A table of the epochs, with dev scores (beam 3) where there are any."""
    shown = [name for name in ("bleu_4", "cider") if name in epochs[-1]]
    header = ["epoch", "loss", *(f"dev {_SCORES[name]}" for name in shown), "seconds"]
    return [
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *(
            f"| {row['epoch']} | {row['loss']:.3f} | "
            + "".join(f"{row[name]:.4f} | " for name in shown)
            + f"{row['seconds']:.0f} |"
            for row in epochs
        ),
    ]
