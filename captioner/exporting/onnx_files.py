"""One ONNX file a function, for ONNX Runtime and all that reads its format."""

from collections.abc import Callable
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.inference import Captioner

FILES = {"encode": "encoder.onnx", "begin": "begin.onnx", "step": "step.onnx"}
OPSET = 17  # read by ONNX Runtime from 1.12 on
# In an ONNX graph no output may be called like an input.
OUTPUT_NAMES = {"step": {"state": "next_state"}}


def write(captioner: Captioner, folder: Path) -> dict:
    """Writes the three files; returns their signatures, each with its file.

    Raises: CaptionerError when tf2onnx is not installed.
    """
    try:
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise CaptionerError("ONNX needs the package tf2onnx: pip install 'captioner[onnx]'") from error
    from captioner.exporting.functions import function_signatures, model_functions

    described = {}
    functions, _network = model_functions(captioner)
    for name, signature in function_signatures(captioner).items():
        renamed = OUTPUT_NAMES.get(name, {})
        outputs = {renamed.get(output, output): array for output, array in signature["outputs"].items()}
        described[name] = {"file": FILES[name], "inputs": signature["inputs"], "outputs": outputs}
        (folder / FILES[name]).write_bytes(_convert(functions[name], renamed, described[name]))
    return described


def _convert(function: Callable, renamed: dict[str, str], described: dict) -> bytes:
    """The content of the ONNX file of a concrete function."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    inputs = tf.nest.flatten(function.structured_input_signature)

    @tf.function(input_signature=inputs)
    def with_other_names(*arrays):
        outputs = function(**{spec.name: array for spec, array in zip(inputs, arrays, strict=True)})
        return {renamed.get(name, name): array for name, array in outputs.items()}

    model, _ = tf2onnx.convert.from_function(with_other_names, input_signature=inputs, opset=OPSET)
    _name_axes(model.graph.input, described["inputs"])
    _name_axes(model.graph.output, described["outputs"])
    onnx.checker.check_model(model)  # what the converter does not know it writes all the same
    return model.SerializeToString()


def _name_axes(arrays, described: dict) -> None:
    """Gives the axes the lengths and names that `model.json` says; the converter counts the unknown ones."""
    for array in arrays:
        for axis, length in zip(array.type.tensor_type.shape.dim, described[array.name]["shape"], strict=True):
            if isinstance(length, str):
                axis.dim_param = length
            else:
                axis.dim_value = length
