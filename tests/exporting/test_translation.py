"""An encoder's LiteRT graph says in TensorFlow what it says in LiteRT; those of Keras do where they are exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from captioner.encoders import ENCODERS, build_encoder, shipped_graph
from captioner.encoders.applications import APPLICATIONS
from captioner.encoders.export import export_encoder
from captioner.encoders.integer_graph import export_integer_encoder
from captioner.exporting.translation import as_tensorflow
from captioner.inference import Encoder


def small_encoder():
    """A few of what all encoders are made of, one after the other."""
    image = keras.Input((16, 16, 3), dtype="uint8")
    x = keras.ops.cast(image, "float32")
    x = keras.ops.stack([x[..., 2], x[..., 1], x[..., 0]], axis=-1) / 128 - 1
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(12, 3, strides=2, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
    x = layers.Concatenate()([layers.AveragePooling2D(3, 1, padding="same")(x), layers.MaxPooling2D(3, 1, "same")(x)])
    gates = keras.ops.sigmoid(layers.Conv2D(48, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    x = layers.LayerNormalization(epsilon=1e-6)(x * gates)
    x = keras.ops.gelu(layers.Dense(20)(x), approximate=False)
    return keras.Model(image, keras.ops.reshape(x, (-1, 64, 20)))


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS if name not in APPLICATIONS]


@pytest.mark.parametrize("name", ["small", *OTHERS])
def test_an_encoder_says_in_tensorflow_what_it_says_in_litert(name, tmp_path):
    keras.utils.set_random_seed(4)
    model = small_encoder() if name == "small" else build_encoder(name, weights=None)
    export_encoder(model, tmp_path / "encoder.tflite")
    encoder = Encoder(tmp_path / "encoder.tflite", name, threads=1)
    image = np.random.default_rng(5).integers(0, 256, (2, encoder.image_size, encoder.image_size, 3), np.uint8)
    expected = encoder(image)
    found = tf.function(as_tensorflow(tmp_path / "encoder.tflite"))(tf.constant(image)).numpy()
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "max_differing"),
    [
        ("small", 0.03),  # LiteRT rounds the squared differences of a layer normalisation in a way of their own
        ("efficientnet-lite2-320", 0.001),
    ],
)
def test_an_encoder_in_integers_says_in_tensorflow_what_it_says_in_litert(name, max_differing, tmp_path):
    path = tmp_path / "encoder.tflite"
    if name == "small":
        keras.utils.set_random_seed(4)
        photos = np.random.default_rng(6).integers(0, 256, (20, 16, 16, 3), np.uint8)
        export_integer_encoder(small_encoder(), photos, path)
    else:
        path, _ = shipped_graph(name, "int8")
    encoder = Encoder(path, name, threads=1)
    image = np.random.default_rng(5).integers(0, 256, (2, encoder.image_size, encoder.image_size, 3), np.uint8)
    expected = encoder.encode(image)
    found = tf.function(as_tensorflow(path))(tf.constant(image)).numpy()
    assert found.dtype == np.float32 and np.unique(expected).size > 50
    steps = np.abs(found - encoder.quantization.dequantize(expected)) / encoder.quantization.scale
    assert (steps > 0.5).mean() < max_differing
