"""A LiteRT graph in TensorFlow's own operations: the way back that TensorFlow does not have.

A model folder always holds its encoder as `encoder.tflite`, while the Keras weights of many encoders are to be
downloaded anew, and those of a fine-tuned one are nobody else's.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from captioner.errors import ModelError
from captioner.exporting.integers import as_real, quantization_of, run_in_integers


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


_OPERATION_NAMES = _names(schema.BuiltinOperator)
_PADDINGS = _names(schema.Padding)  # "SAME" and "VALID", as TensorFlow calls them
_DTYPES = {
    getattr(schema.TensorType, dtype.name.upper()): dtype
    for dtype in (tf.float16, tf.float32, tf.int8, tf.int32, tf.int64, tf.uint8, tf.bool)
}
_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: tf.identity,
    schema.ActivationFunctionType.RELU: tf.nn.relu,
    schema.ActivationFunctionType.RELU6: tf.nn.relu6,
    schema.ActivationFunctionType.TANH: tf.tanh,
}


def _biased(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    return x if bias is None else x + bias


def _conv(options, x, kernel, bias=None):
    y = tf.nn.conv2d(
        x,
        tf.transpose(kernel, (1, 2, 3, 0)),  # (out, height, width, in) in LiteRT
        strides=(options.strideH, options.strideW),
        padding=_PADDINGS[options.padding],
        dilations=(options.dilationHFactor, options.dilationWFactor),
    )
    return _biased(y, bias)


def _depthwise_conv(options, x, kernel, bias=None):
    _, height, width, _ = kernel.shape  # (1, height, width, channels * multiplier) in LiteRT
    y = tf.nn.depthwise_conv2d(
        x,
        tf.reshape(kernel, (height, width, x.shape[-1], -1)),
        strides=(1, options.strideH, options.strideW, 1),
        padding=_PADDINGS[options.padding],
        dilations=(options.dilationHFactor, options.dilationWFactor),
    )
    return _biased(y, bias)


def _dense(options, x, kernel, bias=None):
    rows = x if options.keepNumDims else tf.reshape(x, (-1, kernel.shape[1]))  # (out, in) in LiteRT
    return _biased(tf.matmul(rows, kernel, transpose_b=True), bias)


def _pool(pool: Callable) -> Callable:
    def pooled(options, x):
        size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        return pool(x, size, strides, _PADDINGS[options.padding])

    return pooled


def _strided_slice(options, x, begin, end, strides):
    return tf.strided_slice(
        x,
        begin,
        end,
        strides,
        begin_mask=options.beginMask,
        end_mask=options.endMask,
        ellipsis_mask=options.ellipsisMask,
        new_axis_mask=options.newAxisMask,
        shrink_axis_mask=options.shrinkAxisMask,
    )


# What the graphs of `captioner.encoders` are made of: (options, *inputs) -> output, before the activation. A cast asks
# its options for nothing: what it casts to is said by the tensor that it fills.
_OPERATIONS: dict[str, Callable[..., tf.Tensor]] = {
    "ADD": lambda options, x, y: x + y,
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "CAST": lambda options, x: x,
    "CONCATENATION": lambda options, *parts: tf.concat(parts, options.axis),
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise_conv,
    "DEQUANTIZE": lambda options, x: x,  # of float16, and of integers, which come as real numbers
    "FULLY_CONNECTED": _dense,
    "GATHER": lambda options, x, places: tf.gather(x, places, axis=options.axis, batch_dims=options.batchDims),
    "GELU": lambda options, x: tf.nn.gelu(x, approximate=options.approximate),
    "LOGISTIC": lambda options, x: tf.sigmoid(x),
    "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
    "MEAN": lambda options, x, axes: tf.reduce_mean(x, axes, keepdims=options.keepDims),
    "MUL": lambda options, x, y: x * y,
    "NEG": lambda options, x: -x,
    "PACK": lambda options, *parts: tf.stack(parts, options.axis),
    "PAD": lambda options, x, widths: tf.pad(x, widths),
    "QUANTIZE": lambda options, x: x,
    "REDUCE_PROD": lambda options, x, axes: tf.reduce_prod(x, axes, keepdims=options.keepDims),
    "RESHAPE": lambda options, x, shape: tf.reshape(x, shape),
    "RSQRT": lambda options, x: tf.math.rsqrt(x),
    "SHAPE": lambda options, x: tf.shape(x),
    "SQUARED_DIFFERENCE": lambda options, x, y: tf.math.squared_difference(x, y),
    "STRIDED_SLICE": _strided_slice,
    "SUB": lambda options, x, y: x - y,
}


def as_tensorflow(path: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    """A `.tflite` file of one graph, one input and one output, as a function; its numbers are the function's constants.

    Where the graph computes in integers, the function gives the real numbers that they stand for.

    Raises: ModelError when the graph holds an operation that no encoder of ours is made of.
    """
    model = flatbuffer_utils.read_model(str(path))
    (graph,) = model.subgraphs
    (input_place,), (output_place,) = graph.inputs, graph.outputs
    names = [_OPERATION_NAMES[model.operatorCodes[each.opcodeIndex].builtinCode] for each in graph.operators]
    if unknown := sorted(set(names) - _OPERATIONS.keys()):
        raise ModelError(f"{path}: holds {', '.join(unknown)}, which the export does not know in TensorFlow")

    def array(known: dict[int, tf.Tensor], place: int) -> tf.Tensor:
        return known[place] if place in known else _constant(model, graph.tensors[place])

    def run(x: tf.Tensor) -> tf.Tensor:
        known = {input_place: x}
        for name, operation in zip(names, graph.operators, strict=True):
            inputs = [None if i < 0 else (graph.tensors[i], array(known, i)) for i in operation.inputs]
            (place,) = operation.outputs
            output = graph.tensors[place]
            known[place] = _run(name, operation.builtinOptions, inputs, output)
        return as_real(graph.tensors[output_place], known[output_place])

    return run


def _run(name: str, options, inputs: list[tuple[schema.TensorT, tf.Tensor] | None], output: schema.TensorT):
    """What an operation fills its output with; integers that stand for reals are float32 on their way.

    inputs: None for one that is left out.
    """
    operation = partial(_OPERATIONS[name], options)
    activation = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    if quantization_of(output) is not None:
        return run_in_integers(name, operation, activation, inputs, output)
    reals = operation(*(None if each is None else as_real(*each) for each in inputs))
    return tf.cast(_ACTIVATIONS[activation](reals), _DTYPES[output.type])


def _constant(model: schema.ModelT, tensor: schema.TensorT) -> tf.Tensor:
    dtype = _DTYPES[tensor.type]
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    shape = [] if tensor.shape is None else list(tensor.shape)
    return tf.constant(data.view(dtype.as_numpy_dtype).reshape(shape))
