"""The decoder's weights as float16, and its two LiteRT signatures, `begin` and `step`."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf

from captioner.errors import ModelError
from captioner.files import written_whole
from captioner.model.network import CaptionNetwork
from captioner.quiet import without_native_chatter


def save_decoder_weights(network: CaptionNetwork, path: Path) -> None:
    """Writes the weights, no optimizer, as Keras lays them out, every array in float16."""
    with written_whole(path) as temporary:
        whole_path = temporary.with_name(temporary.name + ".weights.h5")
        try:
            network.save_weights(whole_path)
            with h5py.File(whole_path) as source, h5py.File(temporary, "w") as target:
                source.visititems(lambda name, item: _copy_as_float16(name, item, target))
        finally:
            whole_path.unlink(missing_ok=True)


def _copy_as_float16(name, item, target) -> None:
    if isinstance(item, h5py.Dataset):
        is_real = np.issubdtype(item.dtype, np.floating)
        copy = target.create_dataset(name, data=item[()].astype(np.float16) if is_real else item[()])
    else:
        copy = target.require_group(name)
    for key, value in item.attrs.items():
        copy.attrs[key] = value


def load_decoder_weights(network: CaptionNetwork, path: Path) -> None:
    """Raises: ModelError when the file cannot be read or holds the weights of another network."""
    with tempfile.TemporaryDirectory() as folder:  # Keras insists on the suffix .weights.h5
        link = Path(folder) / "decoder.weights.h5"
        link.symlink_to(Path(path).resolve())
        try:
            network.load_weights(link)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{path}: the weights do not fit the network ({reason})") from error


def decoder_signatures(network: CaptionNetwork) -> dict[str, Callable]:
    """`begin` and `step` as functions of TensorFlow; photos and beams are free axes."""
    units, regions = network.options.units, network.num_regions
    features = tf.TensorSpec((None, regions, network.depth), tf.float32, "features")
    inputs = {
        "token": tf.TensorSpec((None, None), tf.int32, "token"),
        "state": tf.TensorSpec((None, None, units * network.num_states), tf.float32, "state"),
    }
    if network.options.attention:
        inputs |= {name: tf.TensorSpec((None, regions, units), tf.float32, name) for name in ("keys", "values")}

    @tf.function
    def begin(features):
        return network.begin(features)

    @tf.function
    def step(**arguments):
        return network.step(**arguments)

    return {"begin": begin.get_concrete_function(features), "step": step.get_concrete_function(**inputs)}


def save_signatures(folder: Path, signatures: dict[str, Callable], variables: list) -> None:
    """Writes functions of TensorFlow, and the Keras variables they read, as a SavedModel."""
    module = tf.Module()
    # TensorFlow's own variables: under Keras's wrappers the converter finds no constants to write
    module.weights = [variable.value for variable in variables]
    tf.saved_model.save(module, str(folder), signatures=signatures)


def export_decoder(network: CaptionNetwork, path: Path) -> None:
    """Writes `decoder.tflite`: the signatures `begin` and `step`, weights in float16, arithmetic in float32.

    Photos and beams are free axes. Only built-in operations are used, so the light runtime suffices.
    """
    with tempfile.TemporaryDirectory() as folder, written_whole(path) as temporary:
        save_signatures(Path(folder), decoder_signatures(network), network.variables)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["begin", "step"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.target_spec.supported_types = [tf.float16]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        with without_native_chatter():
            temporary.write_bytes(converter.convert())
