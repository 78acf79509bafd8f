"""The last layer of an encoder in integers: fewer channels, of like ranges.

The channels of a CNN say much the same, so a few hundred combinations hold most of what they hold together. One scale
serves all channels of an int8 activation, so their ranges must be alike. The projection of the default encoder was
learned with a decoder (`scripts/quantize_encoders.py`); others are onto principal components, whose standard deviations
are brought a little nearer to each other. Equal they must not be: decoders learn slowly where what matters little is as
large as what matters.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from captioner.errors import ModelError

NAME = "projection"
SPREAD = 0.75  # the power of its standard deviation that a component keeps: 0 whitens, 1 only turns the axes


@dataclass(frozen=True, eq=False)
class Projection:
    """kernel: (depth, channels) float32; bias: (channels,) float32."""

    kernel: np.ndarray
    bias: np.ndarray


def fit_projection(features: Iterable[np.ndarray], num_channels: int, spread: float = SPREAD) -> Projection:
    """Onto the first principal components of the regions of some photos, each with mean 0.

    features: arrays of (photos, regions, depth). There are `num_channels`, or as many as the photos tell apart.
    Raises: ModelError when there is no photo.
    """
    num_regions, total, products = 0, 0.0, 0.0
    for batch in features:
        rows = np.asarray(batch, np.float64).reshape(-1, batch.shape[-1])
        num_regions += len(rows)
        total = total + rows.sum(axis=0)
        products = products + rows.T @ rows
    if num_regions == 0:
        raise ModelError("an encoder is written in integers by what photos give, and no photo can be read")
    mean = total / num_regions
    variances, components = np.linalg.eigh(products / num_regions - np.outer(mean, mean))
    kept = np.argsort(variances)[::-1][:num_channels]
    kept = kept[variances[kept] > 1e-9 * variances.max()]  # what the photos show nothing of
    kernel = components[:, kept] * np.sqrt(variances[kept]) ** (spread - 1)
    kernel *= np.sign(kernel[np.abs(kernel).argmax(axis=0), range(len(kept))])  # the same signs on every machine
    return Projection(kernel.astype(np.float32), -(mean @ kernel).astype(np.float32))


def project(encoder: keras.Model, projection: Projection) -> keras.Model:
    """The encoder with the projection behind it: image -> features (batch, regions, channels) float32."""
    depth, num_channels = projection.kernel.shape
    # a convolution and no dense layer: LiteRT adds its bias in 32 bits
    layer = keras.layers.Conv2D(num_channels, 1, name=NAME)
    num_regions = encoder.output.shape[1]
    seen = layer(keras.ops.reshape(encoder.output, (-1, num_regions, 1, depth)))
    model = keras.Model(encoder.input, keras.ops.reshape(seen, (-1, num_regions, num_channels)), name=encoder.name)
    layer.kernel.assign(projection.kernel[None, None])
    layer.bias.assign(projection.bias)
    return model


def read_projection(path: Path, depth: int) -> Projection:
    """The projection that a graph in integers ends in, as the graph has it. depth: of the features before it.

    Raises: ModelError when the graph ends in none of that depth.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        graph = Interpreter(model_path=str(path))
        (output,) = graph.get_output_details()
        places = _inputs_of_last_convolution(path)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: not a graph that can be read") from error
    tensors = {tensor["index"]: tensor for tensor in graph.get_tensor_details()}
    _, kernel, bias = (tensors[place] for place in places)
    if kernel["dtype"] != np.int8 or tuple(kernel["shape"]) != (output["shape"][-1], 1, 1, depth):
        raise ModelError(f"{path}: not an encoder in integers that ends in a projection of {depth} channels")
    return Projection(_constant(graph, kernel)[:, 0, 0].T, _constant(graph, bias))


def _inputs_of_last_convolution(path: Path) -> list[int]:
    """The tensors that it reads: features, kernel and bias. Other layers may have kernels of the same shape."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for operation in reversed(model.subgraphs[0].operators):
        if model.operatorCodes[operation.opcodeIndex].builtinCode == schema.BuiltinOperator.CONV_2D:
            return operation.inputs
    raise ValueError("no convolution")


def _constant(graph, tensor: dict) -> np.ndarray:
    """float32, whatever integers the graph keeps it in, with a scale for each of its first axis."""
    parameters = tensor["quantization_parameters"]
    shape = (-1, *[1] * (len(tensor["shape"]) - 1))
    integers = graph.get_tensor(tensor["index"]).astype(np.float32)
    return integers * parameters["scales"].astype(np.float32).reshape(shape)
