"""Tells which features of an encoder know the words of captions, without training a captioner.

    python scripts/probe_encoder.py data/flickr8k --encoder efficientnet-lite2 --sizes 260 320 384

For every size and every stage: a ridge regression (Hoerl and Kennard 1970) from the mean of the stage's grid over a
photo to how many of its captions hold each of the commonest words, learned on the train split, judged on dev. Printed
as a Markdown table: mean average precision over the words, and the share of variance explained, each with the best of a
few penalties. What ranks first here need not caption best, but it takes minutes to know, not hours.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from captioner.ahead import map_ahead
from captioner.datasets import Dataset, Example
from captioner.encoders import ENCODERS, build_encoder, encoder_spec
from captioner.encoders.efficientnet_lite import SCALES
from captioner.encoders.export import export_encoder
from captioner.images import read_image
from captioner.inference import Encoder, default_threads
from captioner.tokenizer import SPECIAL_TOKENS, Tokenizer

NUM_WORDS = 500
PENALTIES = (300, 1000, 3000, 10_000, 30_000)
STAGES = {"stage 5": "stage5", "stage 6": "stage6", "stage 7": "stage7", "head": "head"}
JOINED = {
    "stage 7 and head": ("stage 7", "head"),
    "stages 6, 7 and head": ("stage 6", "stage 7", "head"),
    "stages 5 to 7 and head": tuple(STAGES),
}
# said of any photo: knowing them is no sight
_NOT_SEEN = (
    "a an the in on of and with is are to at by his her their its it he she they while that from for as up there"
)


def means_of_stages(name: str, size: int, dataset: Dataset, examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """By stage, the mean of its grid over each photo: (photos, channels) float32."""
    SCALES[name] = replace(SCALES[name], image_size=size)
    model = build_encoder(name)
    last = {
        stage: [layer for layer in model.layers if layer.name.startswith(prefix)][-1]
        for stage, prefix in STAGES.items()
    }
    means = [ops.mean(layer.output, axis=(1, 2)) for layer in last.values()]
    joined = keras.Model(model.input, ops.expand_dims(ops.concatenate(means, axis=-1), axis=1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "means.tflite"
        export_encoder(joined, path)
        encoder = Encoder.a_photo_a_core(path, name)

    def encode(example: Example) -> np.ndarray:
        return encoder(read_image(dataset.photo_path(example), size)[None])[0, 0]

    found = np.stack(list(map_ahead(encode, examples, default_threads())))
    ends = np.cumsum([mean.shape[-1] for mean in means])[:-1]
    return dict(zip(STAGES, np.split(found, ends, axis=1), strict=True))


def common_words(examples: Sequence[Example], tokenizer: Tokenizer) -> list[int]:
    """The ids of the words that most photos' captions hold, those that are said of any photo left out."""
    photos = np.zeros(len(tokenizer))
    for example in examples:
        photos[sorted({id for caption in example.captions for id in tokenizer.encode(caption)})] += 1
    ranked = [id for id in np.argsort(-photos, kind="stable") if id >= len(SPECIAL_TOKENS)]
    return [id for id in ranked if tokenizer.tokens[id] not in _NOT_SEEN.split()][:NUM_WORDS]


def word_shares(examples: Sequence[Example], tokenizer: Tokenizer, words: Sequence[int]) -> np.ndarray:
    """(photos, words): the share of a photo's captions that hold the word."""
    shares = np.zeros((len(examples), len(tokenizer)))
    for row, example in zip(shares, examples, strict=True):
        for caption in example.captions:
            row[np.unique(tokenizer.encode(caption))] += 1 / len(example.captions)
    return shares[:, words]


def probe(train: np.ndarray, dev: np.ndarray, train_words: np.ndarray, dev_words: np.ndarray) -> tuple[float, float]:
    """`(mean average precision, share of variance explained)` on dev, of the penalty that is best for the first.

    train, dev: (photos, channels); train_words, dev_words: (photos, words).
    """
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-6
    train, dev = (train - mean) / deviation, (dev - mean) / deviation
    usual = train_words.mean(axis=0)
    gram, products = train.T @ train, train.T @ (train_words - usual)
    found = []
    for penalty in PENALTIES:
        guesses = usual + dev @ np.linalg.solve(gram + penalty * np.eye(len(gram)), products)
        precisions = [average_precision(*columns) for columns in zip(guesses.T, dev_words.T, strict=True)]
        explained = 1 - ((guesses - dev_words) ** 2).sum() / ((dev_words - usual) ** 2).sum()
        found.append((float(np.nanmean(precisions)), float(explained)))
    return max(found)


def average_precision(guesses: np.ndarray, shares: np.ndarray) -> float:
    """Of a word over the photos whose captions hold it; NaN where none does."""
    holds = shares[np.argsort(-guesses, kind="stable")] > 0
    precision = np.cumsum(holds) / np.arange(1, len(holds) + 1)
    return float(precision[holds].mean()) if holds.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    lite = [name for name in ENCODERS if name in SCALES]
    parser.add_argument("--encoder", choices=lite, default="efficientnet-lite2")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="PIXELS", help="[default: the encoder's own]")
    arguments = parser.parse_args()
    dataset = Dataset.open(arguments.data_dir)
    train, dev = dataset.split("train"), dataset.split("dev")
    words = common_words(train, dataset.tokenizer)
    targets = [word_shares(examples, dataset.tokenizer, words) for examples in (train, dev)]
    print("| pixels | features | channels | mean average precision | variance explained |")
    print("|---|---|---|---|---|")
    for size in arguments.sizes or [encoder_spec(arguments.encoder).image_size]:
        means = means_of_stages(arguments.encoder, size, dataset, train + dev)
        means |= {name: np.hstack([means[stage] for stage in stages]) for name, stages in JOINED.items()}
        for name, features in means.items():
            precision, explained = probe(features[: len(train)], features[len(train) :], *targets)
            print(f"| {size} | {name} | {features.shape[1]:,} | {precision:.3f} | {explained:.3f} |", flush=True)


if __name__ == "__main__":
    main()
