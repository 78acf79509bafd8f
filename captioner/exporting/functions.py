"""A model folder's `encode`, `begin` and `step` as functions of TensorFlow."""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from captioner.decoder_weights import whole_decoder_weights
from captioner.errors import ModelError
from captioner.exporting.translation import as_tensorflow
from captioner.inference import Captioner
from captioner.model import CaptionNetwork, build_network, decoder_signatures, load_weights
from captioner.tokenizer import START_ID


def model_functions(captioner: Captioner) -> tuple[dict[str, Callable], CaptionNetwork]:
    """The functions by name, and the network whose variables they read, to be kept while they are called.

    The encoder is made from its LiteRT graph, which every model folder has, the decoder from its Keras weights.
    Each function takes arrays by name and gives a dict of them. Features are float32, those of a graph in integers too.

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
    with whole_decoder_weights(folder.path) as path:
        load_weights(network, path)
    functions = {"encode": encode.get_concrete_function()} | decoder_signatures(network)
    _check(captioner, functions)
    return functions, network


def function_signatures(captioner: Captioner) -> dict[str, dict]:
    """What the functions take and give: LiteRT's signatures, but with the features that the functions have."""
    signatures = captioner.encoder.signatures | captioner.decoder.signatures
    features = signatures["begin"]["inputs"]["features"]
    return signatures | {"encode": signatures["encode"] | {"outputs": {"features": features}}}


def _check(captioner: Captioner, functions: dict[str, Callable]) -> None:
    """Raises: ModelError when TensorFlow and LiteRT disagree on a picture of noise and on its first word."""
    size, quantization = captioner.encoder.image_size, captioner.encoder.quantization
    is_near_as_features = _is_near if quantization is None else partial(_is_near_in_steps, quantization.scale.max())
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    features = captioner.encoder(image)
    begun = captioner.decoder.begin(features)
    first = begun | {"token": np.full((1, 1), START_ID, np.int32), "state": begun["state"][:, None]}
    for name, inputs, expected, is_near in (
        ("encode", {"image": image}, {"features": features}, is_near_as_features),
        ("begin", {"features": features}, begun, _is_near),
        ("step", first, captioner.decoder.step(**first), _is_near),
    ):
        found = functions[name](**{key: tf.constant(array) for key, array in inputs.items()})
        for key, array in expected.items():
            if not is_near(found[key].numpy(), array):
                raise ModelError(f"{captioner.folder.path}: {key} of {name} comes out otherwise than in LiteRT")


def _is_near(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.allclose(found, expected, rtol=0, atol=1e-2 * np.abs(expected).max())


def _is_near_in_steps(step: float, found: np.ndarray, expected: np.ndarray) -> bool:
    """For reals that stand for integers, a step apart. LiteRT rounds otherwise on one processor than on another.

    Its own implementations differ by 0.3 to 0.7 steps on average in the features of the shipped encoders, which have a
    standard deviation of 5 to 7; a wrong graph differs by as much as the features do among themselves.
    """
    return np.abs(found - expected).mean() <= max(step, 0.25 * expected.std())
