"""Weights in files, the decoder's as float16; and the decoder's two LiteRT signatures, `begin` and `step`."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np
import tensorflow as tf

from captioner.errors import ModelError
from captioner.files import written_whole
from captioner.model.network import CaptionNetwork
from captioner.quiet import without_native_chatter


def save_decoder_weights(network: CaptionNetwork, path: Path) -> None:
    """Writes the weights, no optimizer, as Keras lays them out, every array in float16."""
    save_weights(network, path, lambda array: array.astype(np.float16))


def save_weights(model: keras.Model, path: Path, narrow: Callable[[np.ndarray], np.ndarray]) -> None:
    """Writes the weights, no optimizer, as Keras lays them out. narrow: an array of numbers -> how it is written."""
    with TemporaryDirectory() as folder, written_whole(path) as temporary:
        whole_path = Path(folder) / "network.weights.h5"  # Keras insists on the suffix
        model.save_weights(whole_path)
        with h5py.File(whole_path) as source, h5py.File(temporary, "w", locking=False) as target:
            source.visititems(lambda name, item: _copy(name, item, target, narrow))


def _copy(name, item, target, narrow) -> None:
    if isinstance(item, h5py.Dataset):
        is_real = np.issubdtype(item.dtype, np.floating)
        copy = target.create_dataset(name, data=narrow(item[()]) if is_real else item[()])
    else:
        copy = target.require_group(name)
    for key, value in item.attrs.items():
        copy.attrs[key] = value


def load_weights(model: keras.Model, path: Path) -> None:
    """Raises: ModelError when the file cannot be read or holds the weights of another network."""
    with TemporaryDirectory() as folder:  # Keras insists on the suffix .weights.h5
        link = Path(folder) / "network.weights.h5"
        link.symlink_to(Path(path).resolve())
        try:
            model.load_weights(link)
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
    with TemporaryDirectory() as folder, written_whole(path) as temporary:
        save_signatures(Path(folder), decoder_signatures(network), network.variables)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["begin", "step"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.target_spec.supported_types = [tf.float16]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        with without_native_chatter():
            temporary.write_bytes(converter.convert())
