"""An encoder written for LiteRT in integers: kernels with a scale per channel, activations int8.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
arXiv 1712.05877. Between two layers there is one scale for all channels; it is chosen by what some photos give there.
Kernels are rounded so that what they give of some photos stays (`captioner.encoders.rounding`).
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.lite.tools import flatbuffer_utils

from captioner.encoders.projection import fit_projection, project
from captioner.encoders.rounding import rounded_kernels
from captioner.errors import ModelError
from captioner.files import written_whole
from captioner.quiet import without_native_chatter

NUM_CALIBRATION_PHOTOS = 200  # that choose the scales
NUM_ROUNDING_PHOTOS = 16  # of these, by which kernels are rounded
NUM_PROJECTION_PHOTOS = 1000  # that choose the projection
NUM_CHANNELS = 512  # that are kept, chosen by dev score: scripts/encoder_in_integers.md
_PHOTOS_AT_ONCE = 16


def draw_photos(paths: Sequence[Path], count: int, seed: int = 0) -> list[Path]:
    """Some of the photos, at random with the seed; all where there are no more."""
    return Random(seed).sample(sorted(paths), min(count, len(paths)))


def projected_encoder(encoder: keras.Model, photos: Iterable[np.ndarray]) -> keras.Model:
    """The encoder, its features projected onto `NUM_CHANNELS` channels at most.

    photos: (size, size, 3) uint8 each, which say what the projection keeps.
    """
    return project(encoder, fit_projection(features_of(encoder, photos), NUM_CHANNELS))


def features_of(encoder: keras.Model, photos: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """What the Keras model gives of the photos, some at a time: (photos, regions, depth) float32."""
    batch = []
    for photo in photos:
        batch.append(photo)
        if len(batch) == _PHOTOS_AT_ONCE:
            yield encoder(np.stack(batch), training=False).numpy()
            batch = []
    if batch:
        yield encoder(np.stack(batch), training=False).numpy()


def export_integer_encoder(encoder: keras.Model, photos: Iterable[np.ndarray], path: Path) -> None:
    """Writes the encoder as a `.tflite` file in integers, all or nothing.

    encoder: image (batch, S, S, 3) uint8 -> features (batch, regions, depth) float32. photos: (S, S, 3) uint8 each,
    which say how large the activations get. The one signature of the file, `encode`, takes `image` (batch, S, S, 3)
    uint8 and gives `features` (batch, regions, depth) int8; their scale and zero point stand in the file. Operations
    that LiteRT does not have in integers stay in float.

    Raises:
        CaptionerError: the file cannot be written.
        ModelError: the converter refuses the encoder, or there is no photo.
    """
    content = convert_to_integers(encoder, photos)
    with written_whole(path) as partial_path:
        partial_path.write_bytes(content)


def convert_to_integers(encoder: keras.Model, photos: Iterable[np.ndarray]) -> bytes:
    """The encoder as the content of a `.tflite` file, as `export_integer_encoder` writes it."""
    photos = list(photos)
    if not photos:
        raise ModelError(f"{encoder.name} is written in integers by what photos give, and no photo can be read")
    with rounded_kernels(encoder, np.stack(photos[:NUM_ROUNDING_PHOTOS])):
        return _convert(encoder, photos)


def _convert(encoder: keras.Model, photos: Sequence[np.ndarray]) -> bytes:
    scaling, body = _behind_first_operation(encoder)

    @tf.function(input_signature=[tf.TensorSpec(body.input_shape, tf.float32, name="image")])
    def encode(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": body(image, training=False)}

    def representative_images() -> Iterator[dict[str, np.ndarray]]:
        with_all_values = np.array(photos[0])
        with_all_values[0, :2] = [[0] * 3, [255] * 3]  # so that the scale of the input is that of pixels
        for photo in [with_all_values, *photos[1:]]:
            yield {"image": np.asarray(scaling(photo[None]), np.float32)}

    module = tf.Module()
    # TensorFlow's own variables: under Keras's wrappers the converter does not see constants to write out
    module.weights = [variable.value for variable in body.variables]
    with tempfile.TemporaryDirectory() as saved_model_dir, without_native_chatter():
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, saved_model_dir, signatures={"encode": encode}, options=options)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model_dir, signature_keys=["encode"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
        try:
            return _without_names(converter.convert())
        except (ValueError, RuntimeError, ConverterError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{encoder.name} cannot be written in integers ({reason})") from error


def _without_names(content: bytes) -> bytes:
    """The `.tflite` content with its tensors numbered: Keras counts layers on, and the same graph has the same hash."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            tensor.name = str(number).encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _behind_first_operation(encoder: keras.Model) -> tuple[keras.Operation, keras.Model]:
    """The operation that turns pixels into real numbers, and the encoder behind it.

    What it gives for 0 and 255 are the ends of the input's range, so that a pixel is an integer of the graph as it is.
    """
    (pixels,) = encoder.inputs
    first = next(op for op in encoder.operations if any(each is pixels for each in _inputs_of(op)))
    return first, keras.Model(first.output, encoder.output)


def _inputs_of(operation: keras.Operation) -> list:
    inputs = [] if isinstance(operation, keras.layers.InputLayer) else operation.input
    return inputs if isinstance(inputs, list) else [inputs]
