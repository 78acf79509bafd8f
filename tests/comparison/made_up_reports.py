"""A report made up of a few figures, as `comparison_report` would have it."""

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")


def fading(factor, num_steps=12):
    """What is left of a gradient that each step multiplies by the factor."""
    shares = [factor**step for step in range(num_steps + 1)]
    return {"norm": [0.3 * share for share in shares], "share": shares, "quartiles": [shares, shares]}


def facts(cider=0.5, seconds=80.0, parameters=5_800_000, units=512, dev_loss=2.4, fades=0.8, memory=None, **changes):
    """fades, memory: the factors a step of the hidden state's gradient and the memory cell's, when trained."""
    values = dict.fromkeys(SCORES, cider / 2) | {"cider": cider}
    scores = {
        **values,
        "num_photos": 1000,
        "num_distinct_captions": 812,
        "mean_words": 9.4,
        "intervals": {name: [value - 0.02, value + 0.02] for name, value in values.items()},
        "bootstrap": {"level": 0.95, "resamples": 1000},
    }
    carried = {"hidden": fading(fades)} | ({} if memory is None else {"memory": fading(memory)})
    epochs = [
        {"epoch": number, "loss": 3.0, "bleu_4": 0.1, "cider": cider / 2}
        | ({} if dev_loss is None else {"dev_loss": dev_loss + 1 / number})
        for number in (1, 2)
    ]
    return {
        "units": units,
        "heads": 8,
        "parameters": parameters,
        "multiply_adds_per_token": 3_750_000,
        "state_bytes": 4 * units * (1 if memory is None else 2),
        "graph_bytes": 11_600_000,
        "seconds_per_epoch": {"low": seconds, "high": seconds + 2},
        "training_seconds": [seconds + 1, seconds + 40],
        "peak_memory_mb": 2100,
        "best_epoch": 2,
        "epochs": epochs,
        "dev_loss": dev_loss,
        "scores": {"dev": scores},
        "gradient": {
            "split": "dev",
            "num_captions": 300,
            "least_words": 12,
            "trained": carried,
            "initial": {name: fading(0.5) for name in carried},
        },
    } | changes


def difference(value, p_value):
    verdict = "may be chance" if p_value >= 0.05 else "better beyond chance"
    found = {"difference": value, "interval": [value - 0.02, value + 0.03], "p_value": p_value, "verdict": verdict}
    return {"cider": found, "bleu_4": found}


def report_of(decoders, differences=(), **changes):
    """decoders: by name, as of `facts`; differences: (one, other, value, p-value)."""
    pairs = [{"one": one, "other": other, "scores": difference(*values)} for one, other, *values in differences]
    return {
        "dataset": {
            "name": "flickr8k",
            "counts": {"train": {"photos": 6000, "captions": 30000}},
            "encoder": "efficientnet-lite2",
            "vocabulary_size": 2549,
            "num_regions": 81,
            "depth": 1280,
        },
        "network": {"attention": True, "units": 512, "embedding_dim": 256},
        "training": {"epochs": 8, "batch_size": 16, "learning_rate": 6e-4, "seed": 3},
        "decoding": {"beam_size": 5},
        "parameters_matched": False,
        "cores": 2,
        "decoders": decoders,
        "differences": {"dev": pairs} if pairs else {},
        "captions": [],
    } | changes


def three(**changes):
    return report_of(
        {
            "rnn": facts(cider=0.525, seconds=64, parameters=4_000_000, dev_loss=2.5, fades=0.7),
            "lstm": facts(cider=0.56, seconds=100, parameters=6_000_000, fades=0.75, memory=0.95),
            "gru": facts(cider=0.553, seconds=82, parameters=5_400_000, dev_loss=2.42),
        },
        [("rnn", "lstm", -0.035, 0.002), ("rnn", "gru", -0.028, 0.01), ("lstm", "gru", 0.007, 0.4)],
        **changes,
    )
