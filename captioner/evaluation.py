"""A model scored on a split of a prepared dataset, through the decoder that users run."""

from collections.abc import Callable, Iterator

from captioner.datasets import Dataset, Example
from captioner.errors import DatasetError, ImageError
from captioner.inference import Caption, Captioner
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


def _stream(captioner, dataset, examples, options) -> Iterator[Caption]:
    cache = dataset.feature_cache(captioner.folder.encoder)
    if all(example.image in cache for example in examples):
        features = cache.features()
        for start in range(0, len(examples), _PHOTOS_AT_ONCE):
            rows = [cache.rows[example.image] for example in examples[start : start + _PHOTOS_AT_ONCE]]
            yield from captioner.caption_features(features[rows], options)
        return
    paths = [dataset.photo_path(example) for example in examples]
    for caption in captioner.caption_stream(paths, options):
        if isinstance(caption, ImageError):
            raise DatasetError(f"{dataset.folder}: a photo of the split cannot be read: {caption}") from caption
        yield caption
