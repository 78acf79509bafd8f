"""A model scored on a split of a prepared dataset, through the decoder that users run."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

import numpy as np

from captioner.datasets import Dataset, Example
from captioner.errors import DatasetError, ImageError
from captioner.inference import Caption, Captioner, Replay, replay_captions
from captioner.metrics import choose_tokenizer, score_captions
from captioner.options import DecodingOptions

_PHOTOS_AT_ONCE = 32


def score_examples(examples: list[Example], captions: list[str]) -> dict:
    """Scores of one caption an example against all its references; the tokenizer is chosen by their script."""
    references = {example.image: list(example.captions) for example in examples}
    predictions = {example.image: caption for example, caption in zip(examples, captions, strict=True)}
    tokenizer = choose_tokenizer(caption for example in examples for caption in example.captions)
    return score_captions(predictions, references, tokenizer)


def caption_examples(
    captioner: Captioner,
    dataset: Dataset,
    examples: list[Example],
    options: DecodingOptions,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Caption]:
    """A caption of each example, in order: from the dataset's features where it has the model's, else from photos.

    Raises: DatasetError naming the first photo that cannot be read.
    """
    captions = []
    for caption in _stream(captioner, dataset, examples, options):
        captions.append(caption)
        report(len(captions), len(examples))
    return captions


def caption_and_replay(
    captioner: Captioner,
    dataset: Dataset,
    examples: list[Example],
    options: DecodingOptions,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[tuple[Caption, Replay]]:
    """As `caption_examples`, each caption with what the decoder did at each of its words."""
    found = []
    for features in _feature_batches(captioner, dataset, examples):
        captions = captioner.caption_features(features, options)
        replays = replay_captions(captioner.decoder, features, [caption.tokens for caption in captions])
        found += zip(captions, replays, strict=True)
        report(len(found), len(examples))
    return found


def _stream(captioner, dataset, examples, options) -> Iterator[Caption]:
    if _are_cached(captioner, dataset, examples):
        for features in _feature_batches(captioner, dataset, examples):
            yield from captioner.caption_features(features, options)
        return
    paths = [dataset.photo_path(example) for example in examples]
    for caption in captioner.caption_stream(paths, options):
        yield _unless_error(caption, dataset)


def _are_cached(captioner, dataset, examples) -> bool:
    cache = dataset.feature_cache(captioner.folder.encoder)
    return all(example.image in cache for example in examples)


def _feature_batches(captioner, dataset, examples) -> Iterator[np.ndarray]:
    """(photos, regions, depth), some photos at a time: from the dataset where it has them all, else from photos."""
    if _are_cached(captioner, dataset, examples):
        features, rows = dataset.features_of(examples, captioner.folder.encoder)
        for start in range(0, len(rows), _PHOTOS_AT_ONCE):
            yield features[rows[start : start + _PHOTOS_AT_ONCE]]
        return
    with closing(captioner.feature_stream([dataset.photo_path(example) for example in examples])) as seen:
        while batch := [_unless_error(features, dataset) for features in islice(seen, _PHOTOS_AT_ONCE)]:
            yield np.concatenate(batch)


def _unless_error(found, dataset):
    """Raises: DatasetError for the error that a photo met."""
    if isinstance(found, ImageError):
        raise DatasetError(f"{dataset.folder}: a photo of the split cannot be read: {found}") from found
    return found
