"""An encoder written for LiteRT."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from captioner.files import written_whole
from captioner.quiet import without_native_chatter

HALVED = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)


def export_encoder(model: keras.Model, path: Path) -> None:
    """Writes the encoder as a `.tflite` file, all or nothing.

    Its one signature, `encode`, takes `image` (batch, S, S, 3) uint8 and gives `features` (batch, regions,
    depth) float32; the batch is resized at run time. All operations are built in, and compute in float32.

    Raises:
        CaptionerError: the file cannot be written.
    """
    content = convert_encoder(model)
    with written_whole(path) as partial_path:
        partial_path.write_bytes(content)


def convert_encoder(model: keras.Model) -> bytes:
    """The encoder as the content of a `.tflite` file, kernels of convolutions and dense layers in float16."""

    @tf.function(input_signature=[tf.TensorSpec(model.input_shape, tf.uint8, name="image")])
    def encode(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": model(image, training=False)}

    module = tf.Module()
    # TensorFlow's own variables: under Keras's wrappers the converter does not see constants to write out
    module.weights = [variable.value for variable in model.variables]
    with tempfile.TemporaryDirectory() as saved_model_dir:
        options = tf.saved_model.SaveOptions(
            experimental_custom_gradients=False
        )  # swish has one, and none is asked for
        tf.saved_model.save(module, saved_model_dir, signatures={"encode": encode}, options=options)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model_dir, signature_keys=["encode"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        with without_native_chatter():
            content = converter.convert()
        return with_float16_kernels(content)


def round_kernels(model: keras.Model) -> None:
    """Rounds to float16, in place, the kernels that `convert_encoder` writes so."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):  # depthwise convolutions are neither
            rounded = layer.kernel.numpy().astype(np.float16)
            if np.isfinite(rounded).all():
                layer.kernel.assign(rounded)


def with_float16_kernels(content: bytes) -> bytes:
    """The float32 `.tflite` content with the kernels of its ordinary convolutions and dense layers in float16.

    Not the converter's own float16 mode: that rounds depthwise kernels and biases too, a few percent of the
    bytes and most of the error, and it marks the file as fit for float16 arithmetic, so that features
    would differ between processors.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    dequantize = schema.OperatorCodeT()
    dequantize.builtinCode = dequantize.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    dequantize.version = 3  # the first that reads float16
    model.operatorCodes.append(dequantize)
    for graph in model.subgraphs:
        expansions = {}  # kernel's tensor -> the operation that turns it back into float32
        for operation in graph.operators:
            if model.operatorCodes[operation.opcodeIndex].builtinCode in HALVED:
                kernel = operation.inputs[1]
                if kernel not in expansions and fits_float16(model, graph.tensors[kernel]):
                    expansions[kernel] = halve(model, graph, kernel)
        for operation in graph.operators:
            if operation.inputs is not None:
                operation.inputs = [expansions[i].outputs[0] if i in expansions else i for i in operation.inputs]
        graph.operators = [*expansions.values(), *graph.operators]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def fits_float16(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Whether the tensor is float32, has numbers in the file to itself, and none that float16 has no room for."""
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) == 0:
        return False
    if sum(other.buffer == tensor.buffer for graph in model.subgraphs for other in graph.tensors) > 1:
        return False
    return bool(np.abs(np.asarray(data, np.uint8).view("<f4")).max() <= np.finfo(np.float16).max)


def halve(model: schema.ModelT, graph: schema.SubGraphT, kernel: int) -> schema.OperatorT:
    """The operation that expands the kernel, once its tensor and its bytes are float16."""
    tensor = graph.tensors[kernel]
    expanded = schema.TensorT()
    expanded.name, expanded.shape, expanded.type = tensor.name + b"/float32", tensor.shape, tensor.type
    graph.tensors.append(expanded)

    buffer = model.buffers[tensor.buffer]
    numbers = np.asarray(buffer.data, np.uint8).view("<f4").astype("<f2")
    buffer.data = numbers.view(np.uint8)
    tensor.type = schema.TensorType.FLOAT16

    operation = schema.OperatorT()
    operation.opcodeIndex = len(model.operatorCodes) - 1  # DEQUANTIZE is the last
    operation.inputs, operation.outputs = [kernel], [len(graph.tensors) - 1]
    return operation
