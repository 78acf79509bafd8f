"""The encoders of `keras.applications`: each network without its classifier, its preprocessing in front of it."""

import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
from keras import ops

from captioner.errors import ModelError

_PATIENCE_SECONDS = 30  # that a download may stand still


@dataclass(frozen=True)
class Application:
    """Where `keras.applications` keeps a network, and the file its cache keeps the weights in."""

    module: str  # whose `preprocess_input` belongs to the network
    network: str
    weights_file: str


APPLICATIONS: dict[str, Application] = {
    "vgg16": Application("vgg16", "VGG16", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "resnet50": Application("resnet50", "ResNet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "inception-v3": Application(
        "inception_v3", "InceptionV3", "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "mobilenet-v2": Application(
        "mobilenet_v2", "MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    ),
    "efficientnetv2-b0": Application("efficientnet_v2", "EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
    "convnext-tiny": Application("convnext", "ConvNeXtTiny", "convnext_tiny_notop.h5"),
}


def application_encoder(name: str, image_size: int, with_imagenet_weights: bool) -> keras.Model:
    """One of `APPLICATIONS`: image (batch, S, S, 3) uint8, RGB 0-255 -> features (batch, regions, depth) float32.

    Raises:
        ModelError: the weights can neither be downloaded nor be read from Keras's cache.
    """
    application = APPLICATIONS[name]
    preprocess = getattr(keras.applications, application.module).preprocess_input
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    # not called as one layer: so every layer of the network is one of the encoder's, which can be cut there
    build = partial(
        getattr(keras.applications, application.network),
        include_top=False,
        input_tensor=preprocess(ops.cast(image, "float32")),
    )
    network = _with_imagenet_weights(name, application, build) if with_imagenet_weights else build(weights=None)
    height, width, depth = network.output.shape[1:]
    # -1 and not the batch's own size: a constant shape keeps the exported graph static
    features = ops.reshape(network.output, (-1, height * width, depth))
    return keras.Model(image, features, name=name.replace("-", "_"))


def _with_imagenet_weights(name, application, build):
    try:
        with _no_endless_wait():
            return build()
    except Exception as error:  # Keras raises no narrower one when a download fails
        line = f"the ImageNet weights of {name} cannot be had ({' '.join(str(error).split())})"
        # Keras knows no hash of some files, so what a killed download left there would fail for ever
        if (cached := _cached_path(application)).exists():
            line += f"; remove {cached} to have them downloaded again"
        raise ModelError(line) from error


def _cached_path(application: Application) -> Path:
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / application.weights_file


@contextmanager
def _no_endless_wait():
    """Connections made inside give up when nothing comes; Keras would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
