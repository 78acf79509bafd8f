"""Photos of a prepared dataset looked at while training: what the feature cache has not yet."""

from collections.abc import Callable, Mapping
from contextlib import closing
from types import MappingProxyType

from captioner.datasets import Dataset, Example
from captioner.datasets.encoding import View, WantedPhoto, encode_into
from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.errors import DatasetError
from captioner.inference import Encoder, default_threads
from captioner.quiet import without_native_chatter
from captioner.training.run import Listener, Run
from captioner.training.views import views_of


def encode_photos(run: Run, listener: Listener) -> None:
    """Gives the dataset the features of the run's encoder where it has them not, as that of a fine-tuned model.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    examples = [example for example in run.dataset.examples if example.split in ("train", "dev")]
    cache = run.dataset.feature_cache(run.encoder)
    if any(example.image not in cache for example in examples):
        listener.say(f"encoding the photos with {run.encoder.key}, once for {run.dataset.folder}")
        fill_cache(cache, run.dataset, examples, lambda: _open_encoder(run), listener)


def encode_views(run: Run, listener: Listener) -> None:
    """Gives the dataset the features of the other views of its train photos, where it has them not.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    cache = run.dataset.feature_cache(run.encoder)
    views = views_of(run)
    if all(name in cache for named in views.values() for name in named):
        return
    listener.say(f"encoding the photos {_how_seen(run)}, once for {run.dataset.folder}")
    examples = [example for example in run.dataset.split("train") if views[example.image]]
    try:
        fill_cache(cache, run.dataset, examples, lambda: _open_encoder(run), listener, views)
    except DatasetError as error:
        raise DatasetError(f"{error}; {_without_views(run)}") from error


def _how_seen(run: Run) -> str:
    ways = {"in a mirror": run.training.flipped_share > 0, "cropped": run.training.crops > 0}
    return " and ".join(way for way, is_wanted in ways.items() if is_wanted)


def _without_views(run: Run) -> str:
    options = {"--no-mirror": run.training.flipped_share > 0, "--crops 0": run.training.crops > 0}
    given = [option for option, is_needed in options.items() if is_needed]
    return f"{' and '.join(given)} {'trains' if len(given) == 1 else 'train'} without them"


def _open_encoder(run: Run) -> Encoder:
    with without_native_chatter():
        return Encoder.a_photo_a_core(run.encoder_graph_path, run.encoder.key)


def fill_cache(
    cache: FeatureCache,
    dataset: Dataset,
    examples: list[Example],
    open_encoder: Callable[[], Encoder],
    listener: Listener,
    views: Mapping[str, Mapping[str, View]] = MappingProxyType({}),
) -> None:
    """Encodes the photos that the cache lacks, or that changed since; what an earlier, broken-off run did is kept.

    views: those wanted of a photo beside as it is, by the photo's name and their own.
    Raises: DatasetError naming the first photo that is missing or cannot be read.
    """
    wanted = _wanted(dataset, examples, views)
    if not any(photo.lacking(cache) for photo in wanted):
        return
    encoder = open_encoder()
    with closing(encode_into(cache, wanted, encoder, default_threads(), listener.say)) as encoded:
        photos, _ = listener.progress(encoded, 0, len(examples), "encoding", "photos")
        for _, error in photos:
            if error is not None:
                raise DatasetError(f"{dataset.folder}: a photo cannot be read: {error}") from error


def _wanted(dataset: Dataset, examples: list[Example], views: Mapping[str, Mapping[str, View]]) -> list[WantedPhoto]:
    paths = [dataset.photo_path(example) for example in examples]
    stamps = [photo_stamp(path) for path in paths]
    missing = [path for path, stamp in zip(paths, stamps, strict=True) if stamp is None]
    if missing:
        raise DatasetError(f"{dataset.folder}: {len(missing)} of its photos are missing, the first {missing[0]}")
    return [
        WantedPhoto(path, stamp, {example.image: View(), **views.get(example.image, {})})
        for example, path, stamp in zip(examples, paths, stamps, strict=True)
    ]
