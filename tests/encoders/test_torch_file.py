"""The reader of PyTorch files, on files made here without PyTorch."""

import os
import pickle

import numpy as np
import pytest

from captioner.encoders.torch_file import read_checkpoint
from captioner.errors import ModelError


def test_tensors_are_windows_on_their_storages(write_checkpoint):
    content = write_checkpoint({"a": (range(6), 0, (3, 2), (1, 3)), "b": ([7, 8, 9], 1, (2,), (1,))})
    found = read_checkpoint(content)
    np.testing.assert_array_equal(found["a"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found["b"], [8, 9])


@pytest.mark.parametrize("view", [(1, (3, 2), (1, 3)), (0, (2,), (-1,)), (-1, (2,), (1,))])
def test_a_tensor_beyond_its_storage_is_refused(write_checkpoint, view):
    with pytest.raises(ModelError, match="reaches beyond its 6 stored numbers"):
        read_checkpoint(write_checkpoint({"a": (range(6), *view)}))


def test_what_a_pickle_could_call_is_refused():
    class Malice:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd has no place in a file of weights"):
        read_checkpoint(pickle.dumps(Malice(), protocol=2))


def test_a_file_of_another_kind_is_refused():
    other = b"".join(pickle.dumps(header, protocol=2) for header in (1, 2, {"little_endian": True}))
    with pytest.raises(ModelError, match="not a legacy PyTorch file"):
        read_checkpoint(other)
