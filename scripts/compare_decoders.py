"""Trains the six decoders alike for a few epochs and prints what each costs and gives, as a Markdown table.

python scripts/compare_decoders.py data/flickr8k runs/six --epochs 4
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from captioner.datasets import Dataset
from captioner.model_folder import ModelFolder
from captioner.options import DECODERS, DecodingOptions, NetworkOptions, TrainingOptions

GATED_VECTORS = {"rnn": 1, "lstm": 4, "gru": 3}  # vectors of `units` that the cell's products give at a step


def multiply_adds_per_token(network: NetworkOptions, vocabulary_size: int, num_regions: int) -> int:
    """Of one step of one caption; what a photo costs once is not counted."""
    units = network.units
    cell = (network.embedding_dim + units) * units * GATED_VECTORS[network.decoder]
    query, scores, seen, combination = units * units, num_regions * units, num_regions * units, 2 * units * units
    looking = query + scores + seen + combination if network.attention else 0
    return cell + looking + units * vocabulary_size


def train_one(data_dir: Path, output_dir: Path, network: NetworkOptions, training: TrainingOptions) -> ModelFolder:
    from captioner.cli.encoders import encoder_of
    from captioner.training import Listener, Run, train

    dataset = Dataset.open(data_dir)
    run = Run(dataset, output_dir, *encoder_of(dataset), network, training, DecodingOptions())
    return train(run, True, Listener(say=lambda line: print(line, file=sys.stderr)))


def table_row(folder: ModelFolder) -> str:
    record, network = folder.training, folder.network
    seconds = [row["training_seconds"] for row in record["epochs"]]
    scores = record["dev_scores"]
    cost = multiply_adds_per_token(network, folder.vocabulary_size, folder.encoder.num_regions)
    cells = [
        network.decoder.upper(),
        "yes" if network.attention else "no",
        f"{record['network']['parameters'] / 1e6:.2f} M",
        f"{cost / 1e6:.2f} M",
        f"{sum(seconds) / len(seconds):.0f}",
        f"{100 * scores['bleu_4']:.1f}",
        f"{100 * scores['cider']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    training = replace(TrainingOptions(), epochs=arguments.epochs, seed=arguments.seed)
    rows = []
    for decoder in DECODERS:
        for attention in (True, False):
            network = NetworkOptions(decoder=decoder, attention=attention)
            name = f"{decoder}{'-attention' if attention else ''}"
            rows.append(table_row(train_one(arguments.data_dir, arguments.output_dir / name, network, training)))
    print("| decoder | attention | parameters | multiply-adds a token | seconds an epoch | BLEU-4 | CIDEr-D |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
