"""Photos of a prepared dataset looked at while training: what the feature cache has not yet."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from captioner.datasets import Dataset, Example
from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.errors import DatasetError, ImageError
from captioner.images import read_images
from captioner.inference import Encoder, default_threads
from captioner.quiet import without_native_chatter
from captioner.training.run import Listener, Run


def flipped_name(image: str) -> str:
    """What a photo in a mirror is called in a cache; no file can have that name, a photo being no folder."""
    return f"{image}/flipped"


def encode_photos(run: Run, listener: Listener) -> None:
    """Gives the dataset the features of the run's encoder where it has them not, as that of a fine-tuned model.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    examples = [example for example in run.dataset.examples if example.split in ("train", "dev")]
    cache = run.dataset.feature_cache(run.encoder)
    if any(example.image not in cache for example in examples):
        listener.say(f"encoding the photos with {run.encoder.key}, once for {run.dataset.folder}")
        fill_cache(cache, run.dataset, examples, lambda: _open_encoder(run), listener)


def encode_flipped(run: Run, flipped: Collection[str], listener: Listener) -> None:
    """Gives the dataset the features of those train photos in a mirror, where it has them not.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    cache = run.dataset.feature_cache(run.encoder)
    if all(flipped_name(image) in cache for image in flipped):
        return
    listener.say(f"encoding the photos in a mirror, once for {run.dataset.folder}")
    wanted = set(flipped)
    examples = [example for example in run.dataset.split("train") if example.image in wanted]
    try:
        fill_cache(cache, run.dataset, examples, lambda: _open_encoder(run), listener, wanted)
    except DatasetError as error:
        raise DatasetError(f"{error}; --no-mirror trains without them") from error


def _open_encoder(run: Run) -> Encoder:
    with without_native_chatter():
        return Encoder(run.encoder_graph_path, run.encoder.key)


def fill_cache(
    cache: FeatureCache,
    dataset: Dataset,
    examples: list[Example],
    open_encoder: Callable[[], Encoder],
    listener: Listener,
    flipped: Collection[str] = (),
) -> None:
    """Encodes the photos that the cache lacks, or that changed since; what an earlier, broken-off run did is kept.

    flipped: the photos wanted in a mirror, too.
    Raises: DatasetError naming the first photo that is missing or cannot be read.
    """
    waiting = _waiting(cache, dataset, examples, flipped)
    if not waiting:
        return
    encoder = open_encoder()
    write = cache.writer(sum(len(views) for _, _, views in waiting))
    photos = read_images((path for path, _, _ in waiting), encoder.image_size, default_threads())
    num_done = len(examples) - len(waiting)
    pairs, _ = listener.progress(zip(waiting, photos, strict=True), num_done, len(examples), "photos")
    for (_, stamp, views), photo in pairs:
        if isinstance(photo, ImageError):
            raise DatasetError(f"{dataset.folder}: a photo cannot be read: {photo}") from photo
        for name, is_flipped in views.items():
            view = photo[:, ::-1] if is_flipped else photo
            write([name], [stamp], encoder(np.ascontiguousarray(view[None])))


def _waiting(
    cache: FeatureCache, dataset: Dataset, examples: list[Example], flipped: Collection[str]
) -> list[tuple[Path, list[int], dict[str, bool]]]:
    """Of each photo that is not done: its path, its stamp, and by name the views wanted, True for the flipped one."""
    paths = [dataset.photo_path(example) for example in examples]
    stamps = [photo_stamp(path) for path in paths]
    missing = [path for path, stamp in zip(paths, stamps, strict=True) if stamp is None]
    if missing:
        raise DatasetError(f"{dataset.folder}: {len(missing)} of its photos are missing, the first {missing[0]}")
    waiting = []
    for example, path, stamp in zip(examples, paths, stamps, strict=True):
        views = {example.image: False} | ({flipped_name(example.image): True} if example.image in flipped else {})
        views = {name: is_flipped for name, is_flipped in views.items() if not cache.is_fresh(name, stamp)}
        if views:
            waiting.append((path, stamp, views))
    return waiting
