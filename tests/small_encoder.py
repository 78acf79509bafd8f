"""An encoder small enough to be fine-tuned in a moment, the same in every process."""

import keras
from keras import layers

import captioner.training_stack  # noqa: F401  (before Keras)
from captioner.encoders import ENCODERS, EncoderSpec

NAME = "small"


def build(spec, with_imagenet_weights):
    """image (batch, 32, 32, 3) uint8 -> features (batch, 16, 16) float32; cut behind its second of three blocks."""
    seeds = iter(range(1, 9)) if with_imagenet_weights else iter(range(11, 19))

    def kernel():
        return keras.initializers.HeUniform(seed=next(seeds))

    def norm():
        return layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(0.5))

    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 128, offset=-1)(image)
    for number, filters in enumerate((8, 12, 16), start=1):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False, kernel_initializer=kernel())(x)
        x = layers.ReLU(6)(norm()(x))
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, depthwise_initializer=kernel())(x)
        x = layers.ReLU(6, name=f"block{number}")(norm()(x))
    return keras.Model(image, keras.ops.reshape(x, (-1, 16, 16)), name=NAME)


SPEC = EncoderSpec(NAME, 32, 16, 16, build, None, "Apache-2.0", 0.0, "block2")


def register() -> None:
    ENCODERS[NAME] = SPEC
