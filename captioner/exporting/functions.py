"""A model folder's `encode`, `begin` and `step` as functions of TensorFlow."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from captioner.errors import ModelError
from captioner.exporting.translation import as_tensorflow
from captioner.inference import Captioner
from captioner.model import CaptionNetwork, build_network, decoder_signatures, load_weights
from captioner.model_folder import DECODER_WEIGHTS
from captioner.tokenizer import START_ID


def model_functions(captioner: Captioner) -> tuple[dict[str, Callable], CaptionNetwork]:
    """The functions by name, and the network whose variables they read, to be kept while they are called.

    The encoder is made from its LiteRT graph, which every model folder has, the decoder from its Keras weights.
    Each function takes arrays by name and gives a dict of them.

    Raises: ModelError when the weights do not fit, or when TensorFlow does not say what LiteRT says.
    """
    folder = captioner.folder
    see = as_tensorflow(folder.encoder_graph_path)
    size = captioner.encoder.image_size

    @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, "image")])
    def encode(image):
        return {"features": see(image)}

    network = build_network(
        folder.network, folder.vocabulary_size, captioner.encoder.num_regions, captioner.encoder.depth
    )
    load_weights(network, folder.path / DECODER_WEIGHTS)
    functions = {"encode": encode.get_concrete_function()} | decoder_signatures(network)
    _check(captioner, functions)
    return functions, network


def _check(captioner: Captioner, functions: dict[str, Callable]) -> None:
    """Raises: ModelError when TensorFlow and LiteRT disagree on a picture of noise and on its first word."""
    size = captioner.encoder.image_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    features = captioner.encoder(image)
    begun = captioner.decoder.begin(features)
    first = begun | {"token": np.full((1, 1), START_ID, np.int32), "state": begun["state"][:, None]}
    for name, inputs, expected in (
        ("encode", {"image": image}, {"features": features}),
        ("begin", {"features": features}, begun),
        ("step", first, captioner.decoder.step(**first)),
    ):
        found = functions[name](**{key: tf.constant(array) for key, array in inputs.items()})
        for key, array in expected.items():
            if not np.allclose(found[key], array, rtol=0, atol=1e-2 * np.abs(array).max()):
                raise ModelError(f"{captioner.folder.path}: {key} of {name} comes out otherwise than in LiteRT")
