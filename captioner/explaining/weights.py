"""The weights of a decoder's cell, and its embeddings, read from `decoder.weights.h5` without Keras.

Keras names a group by the attribute that holds the layer, or, where it meets the layer in the model's list of layers
first, by the layer's class: the embeddings are the attribute `embedding`; the cell is in the list.
"""

from pathlib import Path

import h5py
import numpy as np

from captioner.errors import ModelError
from captioner.explaining.cells import CELLS, CellWeights
from captioner.options import NetworkOptions

_EMBEDDING = "embedding/vars/0"
_LAYERS = {"rnn": "simple_rnn", "lstm": "lstm", "gru": "gru"}


def read_cell(path: Path, network: NetworkOptions, vocabulary_size: int) -> tuple[CellWeights, np.ndarray]:
    """The weights of a decoder's cell, and its embeddings (vocabulary, embedding), in float64.

    path: of `decoder.weights.h5`; network, vocabulary_size: as the model's configuration tells.
    Raises: ModelError when the file cannot be read, or lacks one of these in the shape the configuration tells.
    """
    width = CELLS[network.decoder].num_gates * network.units
    cell = f"layers/{_LAYERS[network.decoder]}/cell/vars"
    bias_shape = (2, width) if network.decoder == "gru" else (width,)  # of each of the GRU's two products
    try:
        with h5py.File(path) as file:
            embeddings = _read(path, file, _EMBEDDING, (vocabulary_size, network.embedding_dim))
            kernel = _read(path, file, f"{cell}/0", (network.embedding_dim, width))
            recurrent_kernel = _read(path, file, f"{cell}/1", (network.units, width))
            bias = _read(path, file, f"{cell}/2", bias_shape)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as weights ({' '.join(str(error).split())})") from error
    bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    return CellWeights(kernel, recurrent_kernel, bias, recurrent_bias), embeddings


def _read(path: Path, file: h5py.File, name: str, shape: tuple[int, ...]) -> np.ndarray:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ModelError(f"{path}: lacks the weights {name}")
    if found.shape != shape:
        raise ModelError(f"{path}: {name} has the shape {found.shape}, not {shape} as the configuration tells")
    return found[()].astype(np.float64)
