"""A decoder's Keras weights, of which a shipped model writes down once what its graph holds already.

`decoder.weights.h5` is laid out as Keras does. In a thin file an array whose numbers `decoder.tflite` holds, as they
are or transposed, is an empty one, with attributes that say where in the graph they are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from captioner.errors import ModelError
from captioner.files import written_whole
from captioner.model_folder import DECODER_GRAPH, DECODER_WEIGHTS

_OFFSET, _SHAPE, _IS_TRANSPOSED = "graph_offset", "graph_shape", "graph_is_transposed"
_MIN_BYTES = 1024  # of an array that is looked for: a shorter one might be found by chance, and saves nothing


def make_weights_thin(folder: Path) -> None:
    """Leaves out of a model folder's `decoder.weights.h5` what its graph holds exactly."""
    graph = (folder / DECODER_GRAPH).read_bytes()

    def thin(array: np.ndarray, attributes: dict) -> np.ndarray:
        for is_transposed in (False, True):
            content = (array.T if is_transposed else array).tobytes()
            offset = graph.find(content) if len(content) >= _MIN_BYTES else -1
            if offset >= 0:
                attributes |= {_OFFSET: offset, _SHAPE: array.shape, _IS_TRANSPOSED: is_transposed}
                return np.zeros(0, array.dtype)
        return array

    path = folder / DECODER_WEIGHTS
    with written_whole(path) as temporary:
        _copy(path, temporary, thin)


@contextmanager
def whole_decoder_weights(folder: Path) -> Iterator[Path]:
    """A file of all weights of a model folder's decoder, as Keras reads it, while the context lasts.

    Raises: ModelError when the file cannot be read, or its graph does not hold what it says.
    """
    graph_path, path = folder / DECODER_GRAPH, folder / DECODER_WEIGHTS
    if not _is_thin(path):
        yield path
        return

    def whole(array: np.ndarray, attributes: dict) -> np.ndarray:
        if _OFFSET not in attributes:
            return array
        offset, shape = int(attributes.pop(_OFFSET)), [int(length) for length in attributes.pop(_SHAPE)]
        is_transposed = attributes.pop(_IS_TRANSPOSED)
        found = np.fromfile(graph_path, array.dtype, count=int(np.prod(shape)), offset=offset)
        return found.reshape(shape[::-1]).T if is_transposed else found.reshape(shape)

    with TemporaryDirectory() as temporary:
        whole_path = Path(temporary) / DECODER_WEIGHTS
        try:
            _copy(path, whole_path, whole)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: does not fit {DECODER_GRAPH} ({error})") from error
        yield whole_path


def _is_thin(path: Path) -> bool:
    import h5py

    found = []
    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.append(name) if _OFFSET in item.attrs else None)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as weights ({' '.join(str(error).split())})") from error
    return bool(found)


def _copy(source_path: Path, target_path: Path, changed: Callable[[np.ndarray, dict], np.ndarray]) -> None:
    """Copies a file of weights. changed: the array that is written in an array's place; it may change attributes."""
    import h5py

    with h5py.File(source_path) as source, h5py.File(target_path, "w", locking=False) as target:

        def copy(name, item):
            attributes = dict(item.attrs)
            if isinstance(item, h5py.Dataset):
                copied = target.create_dataset(name, data=changed(item[()], attributes))
            else:
                copied = target.require_group(name)
            for key, value in attributes.items():
                copied.attrs[key] = value

        source.visititems(copy)
