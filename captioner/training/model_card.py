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
        f" {training['seed']}, {training['batch_size']} photos a step, learning rate {training['learning_rate']:g};"
        f" the weights kept are those of epoch {record['best_epoch']}. Every option is in `training.json`.",
        "",
        *_epoch_lines(record["epochs"]),
    ]
    return "\n".join(lines) + "\n"


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
