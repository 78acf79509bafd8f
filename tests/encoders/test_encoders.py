import hashlib
import subprocess
import sys

import numpy as np
import pytest

from captioner import encoders
from captioner.encoders import (
    ENCODERS,
    build_encoder,
    encoder_key,
    encoder_spec,
    graph_key,
    shipped_graph,
    weights_sha256,
)
from captioner.errors import ModelError, OptionsError


def test_the_table_of_encoders_loads_no_keras():
    code = (
        "import sys, captioner.encoders; "
        "print(*sorted({'keras', 'tensorflow', 'numpy'} & set(sys.modules)), sep=',', end='')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == ""


def test_every_encoder_is_listed_under_its_own_name():
    assert [spec.name for spec in ENCODERS.values()] == list(ENCODERS)


@pytest.mark.parametrize("ask", [encoder_spec, build_encoder, weights_sha256, lambda name: shipped_graph(name, "int8")])
def test_an_unknown_encoder_is_answered_with_those_there_are(ask):
    with pytest.raises(OptionsError, match="unknown encoder 'vgg'; choose efficientnet-lite2"):
        ask("vgg")


def test_unknown_weights_are_refused():
    with pytest.raises(OptionsError, match="unknown encoder weights 'places'; choose 'imagenet' or None"):
        build_encoder("efficientnet-lite2", weights="places")


def test_the_hash_is_that_of_the_weights_file():
    path = encoders.WEIGHTS_DIR / "efficientnet-lite2.npz"
    assert weights_sha256("efficientnet-lite2") == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["efficientnet-lite2-320", "efficientnet-lite2"])
def test_a_graph_in_integers_goes_by_its_own_hash(name):
    """Photos have a say in it: the weights alone do not tell it from another."""
    path, key = shipped_graph(name, "int8")
    assert path.suffixes == [".int8", ".tflite"]
    assert key == graph_key(name, path) == f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def test_a_graph_in_float_goes_by_the_hash_of_its_weights():
    path, key = shipped_graph("efficientnet-lite2-320", "float")
    assert path.name == "efficientnet-lite2-320.tflite"
    assert key == encoder_key("efficientnet-lite2-320") != shipped_graph("efficientnet-lite2-320", "int8")[1]


@pytest.mark.parametrize(
    ("name", "precision"), [("efficientnet-lite2", "float"), ("vgg16", "int8"), ("vgg16", "float")]
)
def test_a_graph_that_is_not_shipped_is_none(name, precision):
    assert shipped_graph(name, precision) is None and encoder_spec(name).graph_path(precision) is None


def test_a_graph_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(ModelError) as found:
        graph_key("tiny", tmp_path / "encoder.tflite")
    assert str(found.value) == f"cannot read the encoder {tmp_path / 'encoder.tflite'}: No such file or directory"


@pytest.mark.parametrize("spec", [spec for spec in ENCODERS.values() if spec.weights_file], ids=lambda s: s.name)
def test_shipped_weights_need_no_pickle_and_keep_large_kernels_in_float16(spec):
    with np.load(spec.weights_path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    halved = {name for name, array in arrays.items() if array.dtype == np.float16}
    assert halved == {name for name in arrays if name.endswith("_conv.kernel") and "depthwise" not in name}
    assert all(np.isfinite(array).all() for array in arrays.values())
