"""Encoder weights as one `.npz` of plain arrays: no pickle, the same bytes for the same weights.

An array is called `<layer>.<variable>`: `stage2_block1_expand_conv.kernel`.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from captioner.errors import ModelError
from captioner.files import written_whole

_NAMELESS = re.compile(r"^variable_\d+$")


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """The model's variables by `<layer>.<variable>`, in the order of the layers."""
    return {f"{layer.name}.{variable.name}": variable for layer in model.layers for variable in layer.variables}


def hash_weights(model: keras.Model) -> str:
    """The SHA-256 over name, shape and numbers of every weight of the model, in order, in hexadecimal.

    Layers are not named in it, nor nameless variables: Keras numbers both by how many were made before in the process.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        name = _NAMELESS.sub("variable", variable.name)
        digest.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a weights file by name, float16 or float32.

    Raises:
        ModelError: the file is missing, broken, or would need pickle.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"cannot read the encoder weights {path}: {error}") from error


def write_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays as they are, all or nothing; the same arrays always make the same bytes.

    Raises:
        CaptionerError: the file cannot be written.
    """
    with written_whole(path) as partial_path, partial_path.open("wb") as file:
        np.savez(file, **weights)


def assign_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Gives every variable of the model its array; none may be left over on either side.

    Raises:
        ModelError: a name is missing or left over, or a shape differs.
    """
    variables = named_variables(model)
    missing, left_over = sorted(variables.keys() - weights.keys()), sorted(weights.keys() - variables.keys())
    if missing or left_over:
        raise ModelError(
            f"the weights do not fit {model.name}: {len(missing)} missing {missing[:3]}, "
            f"{len(left_over)} left over {left_over[:3]}"
        )
    for name, variable in variables.items():
        if weights[name].shape != variable.shape:
            raise ModelError(
                f"the weights do not fit {model.name}: {name!r} has shape {weights[name].shape}, "
                f"expected {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(weights[name].astype(np.float32))
