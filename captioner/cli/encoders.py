"""The encoder that a dataset is prepared with, and a model trained on."""

from pathlib import Path

from captioner.cli.shared import say
from captioner.errors import DatasetError
from captioner.quiet import without_native_chatter


def open_encoder(name: str):
    """The shipped LiteRT encoder of that name, as `inference.Encoder`. Raises: OptionsError for an unknown name."""
    from captioner.encoders import encoder_key, encoder_spec

    return _open(encoder_spec(name).tflite_path, encoder_key(name))


def encoder_for(name: str, data_dir: Path):
    """The LiteRT encoder to prepare `data_dir` with, as `inference.Encoder`.

    One that is not shipped is built in Keras and exported into the folder once; from then on the folder keeps to it.
    Raises: OptionsError for an unknown name; ModelError when its weights cannot be had.
    """
    from captioner.datasets.prepared_files import FEATURES
    from captioner.encoders import encoder_spec
    from captioner.encoders.exported import export_into, find_exported

    if encoder_spec(name).tflite_path is not None:
        return open_encoder(name)
    folder = data_dir / FEATURES  # which holds the encoder, too, where none is shipped
    path = find_exported(name, folder)
    if path is None:
        say(f"building {name} in Keras, once for {data_dir}; its weights are fetched if need be")
        path = export_into(folder, name)
    return _open(path, path.stem)


def encoding_by(engine: str, ray_address: str | None, name: str, key: str, data_dir: Path):
    """Who encodes the photos of `data_dir`, as `encode_into` does. name, key: of the encoder."""
    from captioner.datasets.encoding import encode_into
    from captioner.datasets.prepared_files import FEATURES
    from captioner.encoders import encoder_spec

    if engine == "local":
        return encode_into
    from captioner.cluster.features import RayEncoding

    folder = data_dir / FEATURES
    return RayEncoding(
        encoder_spec(name).tflite_path or folder / f"{key}.tflite", folder / f"{key}.shards", ray_address
    )


def encoder_of(dataset):
    """`(EncoderInfo, path of its graph)` of the encoder that the dataset was prepared with, without Keras.

    Raises: DatasetError when the graph is missing or is not the one the dataset speaks of.
    """
    from captioner.datasets.prepared_files import FEATURES
    from captioner.encoders import encoder_key, encoder_spec
    from captioner.model_folder import EncoderInfo

    name = dataset.info["options"]["encoder"]
    spec = encoder_spec(name)
    if spec.tflite_path is not None:
        return EncoderInfo(name, encoder_key(name), spec.image_size, spec.num_regions, spec.depth), spec.tflite_path
    path = dataset.folder / FEATURES / f"{dataset.info['encoder']}.tflite"
    if not path.exists():
        raise DatasetError(f"{path}: is missing; run `captioner prepare` again")
    graph = _open(path, path.stem)
    info = EncoderInfo(name, graph.key, graph.image_size, graph.num_regions, graph.depth)
    if vars(info) != dataset.info.get("encoder_info"):
        raise DatasetError(f"{path}: not the encoder that {dataset.folder} was prepared with; prepare it anew")
    return info, path


def _open(path: Path, key: str):
    from captioner.inference import Encoder

    with without_native_chatter():
        return Encoder.a_photo_a_core(path, key)
