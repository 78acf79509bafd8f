import keras
import numpy as np
import pytest
from keras import layers
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from captioner.encoders import ENCODERS
from captioner.encoders.export import export_encoder
from captioner.encoders.weights_file import read_weights
from captioner.errors import CaptionerError


@pytest.fixture(scope="module")
def small_encoder():
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    return keras.Model(image, keras.ops.reshape(layers.ReLU(max_value=6)(x), (-1, 16, 16)))


@pytest.fixture(scope="module")
def small_tflite_path(small_encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "encoder.tflite"
    export_encoder(small_encoder, path)
    return path


def operations(path):
    """(built-in code, input tensors) of every operation."""
    model = flatbuffer_utils.read_model(str(path))
    for graph in model.subgraphs:
        for operation in graph.operators:
            code = model.operatorCodes[operation.opcodeIndex].builtinCode
            yield code, [graph.tensors[i] for i in operation.inputs if i >= 0]


def test_an_exported_encoder_says_what_keras_says(small_encoder, small_tflite_path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(small_tflite_path)).get_signature_runner("encode")
    for batch_size in (1, 3):
        image = np.random.default_rng(batch_size).integers(0, 256, (batch_size, 8, 8, 3), np.uint8)
        expected = small_encoder.predict_on_batch(image)
        np.testing.assert_allclose(run(image=image)["features"], expected, atol=5e-3)


def test_kernels_are_float16_and_depthwise_kernels_float32(small_tflite_path):
    kinds = dict(operations(small_tflite_path))
    expand, depthwise = schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.DEPTHWISE_CONV_2D
    assert [tensor.type for tensor in kinds[expand]] == [schema.TensorType.FLOAT16]
    assert {tensor.type for tensor in kinds[depthwise]} == {schema.TensorType.FLOAT32}


SHIPPED = [(name, precision) for name, spec in ENCODERS.items() for precision in spec.graph_files]
IN_FLOAT = [ENCODERS[name] for name, precision in SHIPPED if precision == "float"]


@pytest.mark.parametrize(("name", "precision"), SHIPPED)
def test_shipped_exports_hold_built_in_operations_only(name, precision):
    codes = {code for code, _ in operations(ENCODERS[name].graph_path(precision))}
    assert schema.BuiltinOperator.CONV_2D in codes
    assert schema.BuiltinOperator.CUSTOM not in codes  # Flex operations are custom ones


@pytest.mark.parametrize("spec", IN_FLOAT, ids=lambda s: s.name)
def test_shipped_graphs_hold_the_numbers_of_the_shipped_weights(spec):
    weights = read_weights(spec.weights_path)
    model = flatbuffer_utils.read_model(str(spec.graph_path("float")))
    constants = [tensor for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None]
    held = {(tensor.type, bytes(model.buffers[tensor.buffer].data)) for tensor in constants}
    kinds = {np.dtype("float32"): schema.TensorType.FLOAT32, np.dtype("float16"): schema.TensorType.FLOAT16}
    for name, array in weights.items():
        if name.endswith(".kernel"):  # (height, width, in, out); in a graph (out, height, width, in), depthwise alike
            assert (kinds[array.dtype], array.transpose(3, 0, 1, 2).tobytes()) in held, name
        elif name.endswith(".beta"):
            assert (kinds[array.dtype], array.tobytes()) in held, name


@pytest.mark.parametrize("spec", IN_FLOAT, ids=lambda s: s.name)
def test_shipped_exports_compute_in_float32_on_every_processor(spec):
    names = {entry.name for entry in flatbuffer_utils.read_model(str(spec.graph_path("float"))).metadata}
    assert b"reduced_precision_support" not in names


def test_a_failed_export_leaves_nothing_behind(small_encoder, tmp_path):
    with pytest.raises(CaptionerError, match="cannot be written"):
        export_encoder(small_encoder, tmp_path / "no folder" / "encoder.tflite")
    assert list(tmp_path.iterdir()) == []
