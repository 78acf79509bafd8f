"""Kernels rounded to int8 one after the other, each making up for what the ones before it have changed.

Rounding to the nearest integer changes a convolution's sums by more than it must: inputs behind a ReLU are all
positive and much alike, so errors of the same sign add up. Frantar et al. 2022 (GPTQ, arXiv 2210.17323, algorithm 1)
round a kernel's inputs in turn and move those that are left so that the sums of some photos stay. What that leaves of a
shift in the mean goes into the bias (Nagel et al. 2019, arXiv 1906.04721, section 4.2).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

_MAX_INTEGER = 127
_NUM_DEPTHWISE_PHOTOS = 4  # a depthwise kernel has few inputs, so few photos tell them apart
_DAMPING = 0.01  # of the inputs' mean square, added to it: few photos do not tell all inputs apart


@contextmanager
def rounded_kernels(encoder: keras.Model, photos: np.ndarray) -> Iterator[None]:
    """Inside, the encoder's kernels are multiples of a scale per output channel, from -127 to 127 of them.

    photos: (photos, S, S, 3) uint8, whose features stay as near to what they were as they can. The largest weight of a
    channel stays as it is, so that whoever writes the encoder in integers finds the same scale. Convolutions whose
    batch normalisation scales, which would change the grid, are left alone.
    """
    rounded = [
        (conv, shifted) for conv in _convolutions(encoder) if (shifted := _shifted_by(encoder, conv)) is not None
    ]
    before = encoder.get_weights()
    try:
        means = _means(encoder, [shifted for _, shifted in rounded], photos)
        for conv, shifted in rounded:
            inputs = tf.cast(keras.Model(encoder.input, conv.input)(photos, training=False), tf.float32)
            _round_kernel(conv, inputs)
            outputs = conv(inputs) if shifted is conv else shifted(conv(inputs), training=False)
            shift = means[shifted.name] - tf.reduce_mean(outputs, (0, 1, 2)).numpy()
            bias = shifted.bias if shifted is conv else shifted.beta
            bias.assign(bias.numpy() + shift)
        yield
    finally:
        encoder.set_weights(before)


def _convolutions(encoder: keras.Model) -> list[keras.layers.Layer]:
    return [
        layer
        for layer in encoder.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and layer.padding in ("same", "valid")
        and set(layer.dilation_rate) == {1}
        and layer.activation is keras.activations.linear
        and getattr(layer, "groups", 1) == 1
        and getattr(layer, "depth_multiplier", 1) == 1
    ]


def _shifted_by(encoder: keras.Model, conv: keras.layers.Layer) -> keras.layers.Layer | None:
    """The layer that adds a bias to the convolution, itself or its normalisation; None where that scales, too."""
    behind = [layer for layer in encoder.layers if _input_of(layer) is conv.output]
    if len(behind) == 1 and isinstance(behind[0], keras.layers.BatchNormalization):
        (norm,) = behind
        scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        return norm if not conv.use_bias and np.allclose(scale, 1, rtol=0, atol=1e-6) else None
    return conv if conv.use_bias else None


def _input_of(layer: keras.layers.Layer):
    return None if isinstance(layer, keras.layers.InputLayer) else layer.input


def _means(encoder: keras.Model, layers: list[keras.layers.Layer], photos: np.ndarray) -> dict[str, np.ndarray]:
    """By layer the mean of each of its channels, (channels,) float32."""
    if not layers:
        return {}
    outputs = keras.Model(encoder.input, {layer.name: layer.output for layer in layers})
    totals = {layer.name: 0.0 for layer in layers}
    for photo in photos:
        for name, output in outputs(photo[None], training=False).items():
            totals[name] = totals[name] + tf.reduce_mean(output, (0, 1, 2)).numpy()
    return {name: total / len(photos) for name, total in totals.items()}


def _round_kernel(conv: keras.layers.Layer, inputs: tf.Tensor) -> None:
    """inputs: (photos, height, width, channels) float32."""
    kernel = conv.kernel.numpy()
    height, width, num_inputs, num_outputs = kernel.shape
    if isinstance(conv, keras.layers.DepthwiseConv2D):  # a kernel a channel
        weights = kernel.reshape(height * width, num_inputs).T[:, :, None]  # (channels, places, 1)
        products = _sum_products(conv, inputs[:_NUM_DEPTHWISE_PHOTOS], lambda patches: patches.transpose(2, 0, 1))
        conv.kernel.assign(round_weights(weights, products)[:, :, 0].T.reshape(kernel.shape))
    else:
        weights = kernel.reshape(1, -1, num_outputs)
        products = _sum_products(conv, inputs, lambda patches: patches.reshape(1, len(patches), -1))
        conv.kernel.assign(round_weights(weights, products)[0].reshape(kernel.shape))


def _sum_products(
    conv: keras.layers.Layer, inputs: tf.Tensor, arranged: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Of all places that the kernel is laid on, the products of any two inputs: (kernels, inputs, inputs) float32.

    arranged: (places, places of the kernel, channels) -> (kernels, places, inputs).
    """
    height, width = conv.kernel_size
    vertical, horizontal = conv.strides
    total = 0.0
    for photo in inputs:
        patches = photo[None, ::vertical, ::horizontal]
        if (height, width) != (1, 1):
            sizes, strides = [1, height, width, 1], [1, vertical, horizontal, 1]
            patches = tf.image.extract_patches(photo[None], sizes, strides, [1, 1, 1, 1], conv.padding.upper())
        seen = arranged(patches.numpy().reshape(-1, height * width, photo.shape[-1]))
        total = total + seen.transpose(0, 2, 1) @ seen
    return total


def round_weights(weights: np.ndarray, products: np.ndarray) -> np.ndarray:
    """The weights on the grid of their output channel: multiples of a 127th of its largest, which stays as it is.

    weights: (kernels, inputs, outputs); products: (kernels, inputs, inputs), of the inputs that the sums are over
    -> (kernels, inputs, outputs) float64, for which those sums have changed least.
    """
    left = weights.astype(np.float64)
    scale = np.maximum(np.abs(left).max(axis=1), 1e-12) / _MAX_INTEGER  # (kernels, outputs)
    largest = np.abs(left).argmax(axis=1)
    ends = _MAX_INTEGER * np.sign(np.take_along_axis(left, largest[:, None], axis=1))[:, 0]
    num_inputs = left.shape[1]
    mean_squares = np.trace(products, axis1=1, axis2=2, dtype=np.float64) / num_inputs
    damped = products + np.eye(num_inputs) * (_DAMPING * mean_squares + 1e-12)[:, None, None]
    # row i of the upper factor says how the inputs behind i make up for an error in i
    factor = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    rounded = np.empty_like(left)
    for place in range(num_inputs):
        integers = np.clip(np.rint(left[:, place] / scale), -_MAX_INTEGER, _MAX_INTEGER)
        integers = np.where(largest == place, ends, integers)
        rounded[:, place] = integers * scale
        error = (left[:, place] - rounded[:, place]) / factor[:, place, place, None]
        left[:, place + 1 :] -= factor[:, place, place + 1 :, None] * error[:, None]
    return rounded
