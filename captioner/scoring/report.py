"""Scores as they are printed: what was scored, the scores, how sure they are."""

from collections.abc import Iterable, Sequence

from captioner.datasets import Example
from captioner.metrics import (
    LEVEL,
    Tally,
    choose_tokenizer,
    describe_counts,
    interval,
    paired_differences,
    resampled_scores,
    tally_captions,
    tokenizer_name,
    wording,
)
from captioner.options import BootstrapOptions


def tally_examples(examples: Sequence[Example], captions: Sequence[str], official: Sequence[str] = ()) -> Tally:
    """One caption an example counted against all its references, in tokens chosen by the references' script.

    official: "meteor" and "spice", which start Java.
    Raises: CaptionerError when one of these cannot be had.
    """
    predictions = {example.image: caption for example, caption in zip(examples, captions, strict=True)}
    references = {example.image: list(example.captions) for example in examples}
    return tally_captions(predictions, references, _tokenizer_of(examples), official)


def score_report(
    examples: Sequence[Example],
    captions: Sequence[str],
    tally: Tally,
    options: BootstrapOptions,
    train_captions: Iterable[str] | None = None,
) -> dict:
    """Scores, counts, intervals and how the captions read, as JSON.

    All scores are fractions. `split` is None where the photos are of none, and "dev+test" where of several.
    """
    splits = dict.fromkeys(example.split for example in examples)
    return {
        "split": None if None in splits else "+".join(splits),
        **tally.scores(),
        **tally.counts(),
        **wording(captions, train_captions),
        "tokenizer": tokenizer_name(_tokenizer_of(examples)),
        "intervals": {name: list(interval(values)) for name, values in resampled_scores(tally, options).items()},
        "bootstrap": {
            "level": LEVEL,
            "resamples": options.resamples,
            "seed": options.seed,
            "of": "photos; CIDEr-D keeps the document frequencies of the references of all of them",
        },
    }


def difference_report(ours: Tally, theirs: Tally, options: BootstrapOptions) -> dict:
    """For each score the difference `ours` less `theirs`, its interval, its p-value, and what to make of it."""
    return {
        name: {
            "difference": found.difference,
            "interval": list(found.interval),
            "p_value": found.p_value,
            "verdict": _verdict(found),
        }
        for name, found in paired_differences(ours, theirs, options).items()
    }


def describe_report(report: dict) -> str:
    """The report as a table for people."""
    split, bootstrap = report["split"], report["bootstrap"]
    lines = [
        f"{f'split {split}: ' if split else ''}{describe_counts(report)}; intervals of {bootstrap['level']:.0%},"
        f" {bootstrap['resamples']:,} resamples of photos"
    ]
    for name, (low, high) in report["intervals"].items():
        lines.append(f"{name:<8} {report[name]:7.4f}   {low:.4f} to {high:.4f}")
    if "against" not in report:
        return "\n".join(lines)
    lines.append(f"less those of {report['against']['predictions']}:")
    for name, found in report["against"]["differences"].items():
        low, high = found["interval"]
        lines.append(
            f"{name:<8} {found['difference']:+7.4f}   {low:+.4f} to {high:+.4f}   p {found['p_value']:.3f}  "
            f"{found['verdict']}"
        )
    return "\n".join(lines)


def _tokenizer_of(examples):
    return choose_tokenizer(caption for example in examples for caption in example.captions)


def _verdict(found) -> str:
    if not found.is_beyond_chance:
        return "may be chance"
    return f"{'better' if found.difference > 0 else 'worse'} beyond chance"
