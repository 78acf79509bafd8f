"""Operations of a LiteRT graph in integers, computed by TensorFlow in floating point.

real = scale * (integer - zero_point) (Jacob et al. 2018, arXiv 1712.05877, eq. 1). What an operation gives is rounded
to integers again, here in the same way as by XNNPACK, which runs LiteRT's graphs on most processors. Where one number
in a million is rounded otherwise in the first layers of an encoder, a third of its features are a step off.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from captioner.quantization import Quantization

Tensor = tuple[schema.TensorT, tf.Tensor]  # as the graph describes it, and what it holds

_LIMITS = {
    schema.ActivationFunctionType.NONE: (-np.inf, np.inf),
    schema.ActivationFunctionType.RELU: (0, np.inf),
    schema.ActivationFunctionType.RELU6: (0, 6),
}


def quantization_of(tensor: schema.TensorT) -> Quantization | None:
    """What the integers of a tensor stand for, with one scale or one per channel; None where they are no reals."""
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None:
        return None
    (zero_point,) = set(np.asarray(parameters.zeroPoint).tolist())
    return Quantization(np.asarray(parameters.scale, np.float32), zero_point)


def as_real(tensor: schema.TensorT, array: tf.Tensor) -> tf.Tensor:
    """The real numbers that the integers of a tensor stand for, float32; the array as it is where they are no reals."""
    quantization = quantization_of(tensor)
    if quantization is None:
        return array
    scale = quantization.scale
    if len(scale) == 1:
        return _from_zero((tensor, array)) * scale[0]
    shape = np.ones(len(tensor.shape), int)
    shape[tensor.quantization.quantizedDimension] = -1  # the axis of the channels
    return _from_zero((tensor, array)) * scale.reshape(shape)


def run_in_integers(
    name: str,
    operation: Callable[..., tf.Tensor],
    activation: int,
    inputs: Sequence[Tensor | None],
    output: schema.TensorT,
) -> tf.Tensor:
    """The integers that an operation fills its output with, as float32.

    operation: of real numbers, without the activation. inputs: None for one that is left out.
    """
    quantization = quantization_of(output)
    (scale,), zero_point = quantization.scale, quantization.zero_point
    integers = _ROUNDINGS.get(name, _round_reals)(operation, inputs, scale, zero_point)
    limits = np.round(np.array(_LIMITS[activation], np.float32) / scale) + zero_point
    return tf.clip_by_value(integers, *np.clip(limits, -128, 127))


# Each from (operation, inputs, scale of the output, its zero point) to the integers of the output.


def _round_reals(operation, inputs: Sequence[Tensor], scale: np.float32, zero_point: int) -> tf.Tensor:
    return tf.round(operation(*(as_real(*each) for each in inputs)) / scale) + zero_point


def _round_products(operation, inputs: Sequence[Tensor | None], scale: np.float32, zero_point: int) -> tf.Tensor:
    """Sums of products are those of integers, which float32 holds up to 2^24, and have a scale for each channel."""
    sums = operation(*(None if each is None else _from_zero(each) for each in inputs))
    scales = [quantization_of(tensor).scale for tensor, _ in inputs[:2]]
    # The first rounding changes nothing. Without it, optimisers multiply the kernel by the scale: no integers any more.
    return tf.round(tf.round(sums) * (scales[0] * scales[1] / scale)) + zero_point


def _round_sum(operation, inputs: Sequence[Tensor], scale: np.float32, zero_point: int) -> tf.Tensor:
    """Two terms are brought to the scale of the output by factors of 21 bits; float64 loses nothing of that."""
    factors = np.concatenate([quantization_of(tensor).scale for tensor, _ in inputs]) / scale
    step = 2.0 ** (np.floor(np.log2(factors.max())) - 20)
    factors = np.round(factors.astype(np.float64) / step) * step
    terms = (_from_zero(each, tf.float64) * factor for each, factor in zip(inputs, factors, strict=True))
    return tf.cast(tf.floor(operation(*terms) + 0.5), tf.float32) + zero_point


def _keep_scale(operation, inputs: Sequence[Tensor], scale: np.float32, zero_point: int) -> tf.Tensor:
    """Integers of the same scale and zero point as those they come from; halves are rounded away from 0."""
    arrays = (
        array if quantization_of(tensor) is None else tf.cast(array, tf.float32)  # the others are shapes and places
        for tensor, array in inputs
    )
    integers = operation(*arrays)
    return tf.sign(integers) * tf.floor(tf.abs(integers) + 0.5)


_ROUNDINGS = (
    dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL"), _round_products)
    | dict.fromkeys(("ADD", "SUB"), _round_sum)
    | dict.fromkeys(("AVERAGE_POOL_2D", "GATHER", "MAX_POOL_2D", "PACK", "RESHAPE", "STRIDED_SLICE"), _keep_scale)
)


def _from_zero(each: Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    tensor, array = each
    return tf.cast(array, dtype) - quantization_of(tensor).zero_point
