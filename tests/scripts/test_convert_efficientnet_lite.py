"""The reader of PyTorch files, on files made here without PyTorch."""

import collections
import importlib.util
import io
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from captioner.encoders.efficientnet_lite import SCALES, efficientnet_lite
from captioner.encoders.weights_file import named_variables
from captioner.errors import ModelError

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_efficientnet_lite.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_efficientnet_lite", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write_checkpoint(monkeypatch, script):
    """A function from {name: (numbers, offset, shape, strides)} to the content of a legacy PyTorch file."""
    torch, torch_utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch_utils._rebuild_tensor_v2 = rebuild = lambda *arguments: arguments
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch._utils = torch_utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", torch_utils)

    class Tensor:
        def __init__(self, *arguments):
            self.arguments = arguments

        def __reduce__(self):
            return rebuild, self.arguments

    class Storage:
        def __init__(self, key, numbers):
            self.pid = ("storage", torch.FloatStorage, key, "cpu", len(numbers), None)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.pid if isinstance(value, Storage) else None

    def write(tensors):
        views = collections.OrderedDict(
            (name, Tensor(Storage(name, numbers), offset, shape, strides, False, collections.OrderedDict()))
            for name, (numbers, offset, shape, strides) in tensors.items()
        )
        file = io.BytesIO()
        for header in (script.LEGACY_MAGIC, 1001, {"little_endian": True}, views, list(tensors)):
            Pickler(file, protocol=2).dump(header)
        for numbers, *_ in tensors.values():
            file.write(len(numbers).to_bytes(8, "little") + np.asarray(numbers, "<f4").tobytes())
        return file.getvalue()

    return write


def test_tensors_are_windows_on_their_storages(script, write_checkpoint):
    content = write_checkpoint({"a": (range(6), 0, (3, 2), (1, 3)), "b": ([7, 8, 9], 1, (2,), (1,))})
    found = script.read_checkpoint(content)
    np.testing.assert_array_equal(found["a"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found["b"], [8, 9])


@pytest.mark.parametrize("view", [(1, (3, 2), (1, 3)), (0, (2,), (-1,)), (-1, (2,), (1,))])
def test_a_tensor_beyond_its_storage_is_refused(script, write_checkpoint, view):
    with pytest.raises(ModelError, match="reaches beyond its 6 stored numbers"):
        script.read_checkpoint(write_checkpoint({"a": (range(6), *view)}))


def test_what_a_pickle_could_call_is_refused(script):
    class Malice:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd has no place in a file of weights"):
        script.read_checkpoint(pickle.dumps(Malice(), protocol=2))


def test_a_file_of_another_kind_is_refused(script):
    other = b"".join(pickle.dumps(header, protocol=2) for header in (1, 2, {"little_endian": True}))
    with pytest.raises(ModelError, match="not a legacy PyTorch file"):
        script.read_checkpoint(other)


def test_names_and_axes_become_those_of_keras(script):
    checkpoint = {
        "_conv_stem.weight": np.zeros((32, 3, 5, 7)),
        "_bn0.running_var": np.zeros(32),
        "_bn0.num_batches_tracked": np.zeros(()),
        "_blocks.0._depthwise_conv.weight": np.zeros((32, 1, 5, 7)),
        "_blocks.1._expand_conv.weight": np.zeros((96, 16, 1, 1)),
        "_blocks.3._bn2.weight": np.zeros(24),
        "_fc.weight": np.zeros((1000, 1280)),
    }
    found = script.keras_weights(checkpoint, "efficientnet-lite0")
    assert {name: array.shape for name, array in found.items()} == {
        "stem_conv.kernel": (5, 7, 3, 32),
        "stem_norm.moving_variance": (32,),
        "stage1_block1_depthwise_conv.kernel": (5, 7, 32, 1),
        "stage2_block1_expand_conv.kernel": (1, 1, 16, 96),
        "stage3_block1_project_norm.gamma": (24,),
        "classifier.kernel": (1280, 1000),
    }


def test_large_kernels_are_rounded_and_depthwise_kernels_are_not(script):
    assert script.shipped_precision("stem_conv.kernel", np.ones(2)).dtype == np.float16
    assert script.shipped_precision("stage1_block1_depthwise_conv.kernel", np.ones(2)).dtype == np.float32
    assert script.shipped_precision("stem_norm.gamma", np.ones(2)).dtype == np.float32
    with pytest.raises(ModelError, match=r"stem_conv\.kernel does not fit float16: largest 70000\.0"):
        script.shipped_precision("stem_conv.kernel", np.array([1.0, -70000.0]))


def test_a_layer_nobody_knows_is_left_over(script):
    name = next(iter(SCALES))
    (found,) = script.keras_weights({"_squeeze.weight": np.zeros((8, 8, 1, 1))}, name)
    assert found == "_squeeze.kernel"
    assert found not in named_variables(efficientnet_lite(name))
