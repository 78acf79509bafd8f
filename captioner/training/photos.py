"""Photos of a prepared dataset looked at while training: what the feature cache has not yet."""

from collections.abc import Callable, Collection
from contextlib import closing

from captioner.datasets import Dataset, Example
from captioner.datasets.encoding import WaitingPhoto, encode_into
from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.errors import DatasetError
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
        return Encoder.a_photo_a_core(run.encoder_graph_path, run.encoder.key)


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
    num_done = len(examples) - len(waiting)
    with closing(encode_into(cache, waiting, encoder, default_threads())) as encoded:
        photos, _ = listener.progress(encoded, num_done, len(examples), "encoding", "photos")
        for _, error in photos:
            if error is not None:
                raise DatasetError(f"{dataset.folder}: a photo cannot be read: {error}") from error


def _waiting(
    cache: FeatureCache, dataset: Dataset, examples: list[Example], flipped: Collection[str]
) -> list[WaitingPhoto]:
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
            waiting.append(WaitingPhoto(path, stamp, views))
    return waiting
