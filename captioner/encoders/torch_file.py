"""Legacy PyTorch files, read without PyTorch and without running what a pickle could call."""

import collections
import io
import pickle
from typing import Any, NamedTuple

import numpy as np

from captioner.errors import ModelError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of files written by torch.save before 1.6
STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class TensorView(NamedTuple):
    """A tensor as the pickle describes it: a window on a storage whose numbers follow later in the file."""

    storage: tuple[Any, ...]  # ("storage", type name, key, device, number of elements, view)
    offset: int  # elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # elements


def rebuild_tensor(storage, offset, shape, strides, *_gradient_settings) -> TensorView:
    return TensorView(storage, offset, shape, strides)


ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    **{("torch", name): name for name in STORAGE_DTYPES},
}


class TensorUnpickler(pickle.Unpickler):
    """Reads names and shapes of tensors, and refuses everything else a pickle could call."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """The tensors of a legacy PyTorch file by name.

    Raises:
        ModelError: the file is of another kind, or does not hold what it lists.
        pickle.UnpicklingError: it would call something, or is broken; EOFError, KeyError, ValueError: it is broken.
    """
    file = io.BytesIO(content)
    magic, _version, system = (TensorUnpickler(file).load() for _ in range(3))
    if magic != LEGACY_MAGIC or not system["little_endian"]:
        raise ModelError("not a legacy PyTorch file of little-endian numbers")
    views = TensorUnpickler(file).load()
    dtypes = {view.storage[2]: STORAGE_DTYPES[view.storage[1]] for view in views.values()}
    storages = {}
    for key in TensorUnpickler(file).load():  # each storage: its length as int64, then its numbers
        num_elements = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(num_elements * dtypes[key].itemsize), dtypes[key])
    if file.read(1):
        raise ModelError("the PyTorch file goes on after its last storage")
    return {name: window(storages[view.storage[2]], view) for name, view in views.items()}


def window(storage: np.ndarray, view: TensorView) -> np.ndarray:
    """Raises: ModelError when the view reaches beyond its storage."""
    steps = [(size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)]
    if min(view.offset, *steps, 0) < 0 or view.offset + sum(steps) >= storage.size:
        raise ModelError(f"a tensor of shape {view.shape} reaches beyond its {storage.size} stored numbers")
    byte_strides = [stride * storage.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, byte_strides, writeable=False)
