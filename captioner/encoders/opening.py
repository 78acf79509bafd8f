"""An encoder opened by its name, for the dataset that is prepared with it or the model that learns from it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from captioner.datasets import Dataset
from captioner.datasets.prepared_files import FEATURES
from captioner.encoders import encoder_spec, graph_key, shipped_graph
from captioner.encoders.exported import export_into, find_exported
from captioner.errors import DatasetError, ModelError
from captioner.inference import Encoder
from captioner.model_folder import EncoderInfo
from captioner.quiet import without_native_chatter


def find_graph(
    name: str, precision: str, data_dir: Path, photos: Sequence[Path], say: Callable[[str], None]
) -> tuple[Path, str]:
    """The LiteRT graph of the encoder to prepare `data_dir` with, and its key.

    One that is not shipped is built in Keras and exported into the folder once; from then on the folder keeps to it.
    photos: train photos, by which a graph in integers is calibrated.
    Raises: OptionsError for an unknown name; ModelError when its weights cannot be had.
    """
    if (shipped := shipped_graph(name, precision)) is not None:
        return shipped
    folder = data_dir / FEATURES  # which holds the encoder, too, where none is shipped
    if (found := find_exported(name, precision, folder)) is not None:
        return found
    say(f"building {name} in Keras, once for {data_dir}; its weights are fetched if need be")
    return export_into(folder, name, precision, photos)


def open_encoder(path: Path, key: str) -> Encoder:
    """For many photos, one a core."""
    with without_native_chatter():
        return Encoder.a_photo_a_core(path, key)


def encoder_of(dataset: Dataset) -> tuple[EncoderInfo, Path]:
    """The encoder that the dataset was prepared with, and its graph, found without Keras.

    Raises: DatasetError when the graph is missing or is not the one the dataset speaks of.
    """
    try:
        info = EncoderInfo(**dataset.info["encoder"])
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{dataset.folder}: its dataset.json names no encoder; prepare it again") from error
    spec = encoder_spec(info.name)
    found = shipped_graph(info.name, info.precision) or find_exported(
        info.name, info.precision, dataset.folder / FEATURES
    )
    if found is None:
        raise DatasetError(f"{dataset.folder / FEATURES}: the graph of {info.key} is missing; prepare it again")
    path, key = found
    if key != info.key:
        raise DatasetError(
            f"{dataset.folder}: prepared with {info.key}, but {spec.name} is now {key}; prepare it again"
        )
    _check_graph(path, info)
    return info, path


def _check_graph(path: Path, info: EncoderInfo) -> None:
    """Raises: DatasetError when an exported graph is not the one its name says."""
    if shipped_graph(info.name, info.precision) is not None:
        return
    graph = Encoder(path, info.key)
    try:
        with without_native_chatter():
            shape = graph.image_size, graph.num_regions, graph.depth
    except ModelError as error:
        raise DatasetError(f"{path}: cannot be opened; prepare the dataset again") from error
    is_other = info.precision == "int8" and graph_key(info.name, path) != info.key
    if is_other or shape != (info.image_size, info.num_regions, info.depth):
        raise DatasetError(f"{path}: not the encoder that the dataset was prepared with; prepare it again")
