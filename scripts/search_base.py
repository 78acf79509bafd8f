"""Trains variations of the default recipe alike and prints what each gives on dev, as a Markdown table.

    python scripts/search_base.py data/flickr8k runs/search --epochs 6 --seeds 0 1 2 \\
        --try units=768 --try dropout=0.4,label_smoothing=0.05

The defaults themselves come first; every `--try` changes the options it names, of the network or of training, and
leaves the others. A variation that was broken off is gone on with, and one that is finished is read.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from captioner.datasets import Dataset
from captioner.errors import CaptionerError, OptionsError
from captioner.model_folder import ModelFolder
from captioner.options import DecodingOptions, NetworkOptions, Options, TrainingOptions

DEFAULTS = "defaults"


def changed(options: Options, changes: dict[str, str]) -> Options:
    """The options with those changes that are theirs; each value is read as the kind that the default is of.

    Raises: OptionsError when a value is not of that kind, or fails the options' check.
    """
    values = {}
    for name in set(changes) & {field.name for field in dataclasses.fields(options)}:
        kind = type(getattr(options, name))
        try:
            values[name] = {"True": True, "False": False}[changes[name]] if kind is bool else kind(changes[name])
        except (KeyError, ValueError) as error:
            raise OptionsError(f"{name} must be of type {kind.__name__}, not {changes[name]!r}") from error
    return dataclasses.replace(options, **values)


def parse_variation(text: str) -> dict[str, str]:
    """`units=768,dropout=0.4` -> {"units": "768", "dropout": "0.4"}. Raises: OptionsError."""
    known = {field.name for options in (NetworkOptions, TrainingOptions) for field in dataclasses.fields(options)}
    changes = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in known or not value:
            raise OptionsError(f"--try takes NAME=VALUE with one of {', '.join(sorted(known))}, not {part!r}")
        changes[name] = value
    return changes


def train_one(data_dir: Path, output_dir: Path, network: NetworkOptions, training: TrainingOptions) -> ModelFolder:
    from captioner.encoders.opening import encoder_of
    from captioner.training import Listener, Run, train

    dataset = Dataset.open(data_dir)
    run = Run(dataset, output_dir, *encoder_of(dataset), network, training, DecodingOptions())
    return train(run, True, Listener(say=lambda line: print(line, file=sys.stderr)))


def table_row(variation: str, seed: int, record: dict) -> str:
    scores = record["dev_scores"]
    cells = [
        variation,
        f"{seed}",
        f"{record['network']['parameters'] / 1e6:.2f} M",
        f"{record['best_epoch']} of {len(record['epochs'])}",
        f"{100 * scores['bleu_4']:.1f}",
        f"{100 * scores['cider']:.1f}",
        f"{record['seconds']:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--epochs", type=int, default=TrainingOptions().epochs)
    parser.add_argument("--seeds", type=int, nargs="+", default=[TrainingOptions().seed])
    parser.add_argument("--try", dest="variations", action="append", default=[], metavar="NAME=VALUE,...")
    arguments = parser.parse_args()
    training = TrainingOptions(epochs=arguments.epochs)
    print("| change | seed | parameters | epoch kept | BLEU-4 | CIDEr-D | seconds |")
    print("|---|---|---|---|---|---|---|")
    try:
        variations = {DEFAULTS: {}} | {text: parse_variation(text) for text in arguments.variations}
        planned = [
            (text, seed, changed(NetworkOptions(), changes), changed(training, changes | {"seed": f"{seed}"}))
            for text, changes in variations.items()
            for seed in arguments.seeds
        ]
        for text, seed, network, options in planned:
            folder = train_one(arguments.data_dir, arguments.output_dir / f"{text}-seed{seed}", network, options)
            print(table_row(text, seed, folder.training), flush=True)
    except CaptionerError as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
