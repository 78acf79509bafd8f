"""How the shipped weights are folded and rounded."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from captioner.encoders.efficientnet_lite import conv_norm, norm_relu6
from captioner.encoders.weights_file import assign_weights, named_variables
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


@pytest.fixture
def small_network():
    """A convolution and a depthwise one, each with its normalisation, all weights drawn at random."""
    keras.utils.set_random_seed(6)
    image = keras.Input((8, 8, 3))
    x = conv_norm(image, "stem", 16, kernel_size=3)
    x = layers.DepthwiseConv2D(3, use_bias=False, name="stage1_block1_depthwise_conv")(x)
    model = keras.Model(image, norm_relu6(x, "stage1_block1_depthwise"))
    random = np.random.default_rng(6)
    for variable in model.variables:
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return model


def weights_of(model):
    return {name: np.asarray(variable) for name, variable in named_variables(model).items()}


def test_folded_weights_give_the_same_features_in_the_same_network(script, small_network):
    image = np.random.default_rng(7).uniform(-0.02, 0, (2, 8, 8, 3)).astype(np.float32)
    before, expected = weights_of(small_network), small_network.predict_on_batch(image)
    assert ((expected > 0) & (expected < 6)).mean() > 0.1
    assign_weights(small_network, folded := script.fold_norms(before))
    np.testing.assert_allclose(small_network.predict_on_batch(image), expected, atol=1e-4)
    assert not np.allclose(folded["stem_conv.kernel"], before["stem_conv.kernel"], rtol=0.01)


def test_nothing_is_left_to_fold(script, small_network):
    folded = script.fold_norms(weights_of(small_network))
    for name, array in script.fold_norms(folded).items():
        # not to the last bit: processors differ in the root that is taken
        np.testing.assert_allclose(array, folded[name], rtol=1e-6, atol=1e-6, strict=True)
