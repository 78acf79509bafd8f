"""How the shipped weights are rounded."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from captioner.errors import ModelError

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_efficientnet_lite.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_efficientnet_lite", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_large_kernels_are_rounded_and_depthwise_kernels_are_not(script):
    assert script.shipped_precision("stem_conv.kernel", np.ones(2)).dtype == np.float16
    assert script.shipped_precision("stage1_block1_depthwise_conv.kernel", np.ones(2)).dtype == np.float32
    assert script.shipped_precision("stem_norm.gamma", np.ones(2)).dtype == np.float32
    with pytest.raises(ModelError, match=r"stem_conv\.kernel does not fit float16: largest 70000\.0"):
        script.shipped_precision("stem_conv.kernel", np.array([1.0, -70000.0]))
