import hashlib
import subprocess
import sys

import numpy as np
import pytest

from captioner import encoders
from captioner.encoders import ENCODERS, build_encoder, encoder_spec, weights_sha256
from captioner.errors import OptionsError


def test_the_table_of_encoders_loads_no_keras():
    code = (
        "import sys, captioner.encoders; "
        "print(*sorted({'keras', 'tensorflow', 'numpy'} & set(sys.modules)), sep=',', end='')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == ""


def test_every_encoder_is_listed_under_its_own_name():
    assert [spec.name for spec in ENCODERS.values()] == list(ENCODERS)


@pytest.mark.parametrize("ask", [encoder_spec, build_encoder, weights_sha256])
def test_an_unknown_encoder_is_answered_with_those_there_are(ask):
    with pytest.raises(OptionsError, match="unknown encoder 'vgg'; choose efficientnet-lite2"):
        ask("vgg")


def test_unknown_weights_are_refused():
    with pytest.raises(OptionsError, match="unknown encoder weights 'places'; choose 'imagenet' or None"):
        build_encoder("efficientnet-lite2", weights="places")


def test_the_hash_is_that_of_the_weights_file():
    path = encoders.WEIGHTS_DIR / "efficientnet-lite2.npz"
    assert weights_sha256("efficientnet-lite2") == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("spec", [spec for spec in ENCODERS.values() if spec.weights_file], ids=lambda s: s.name)
def test_shipped_weights_need_no_pickle_and_keep_large_kernels_in_float16(spec):
    with np.load(spec.weights_path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    halved = {name for name, array in arrays.items() if array.dtype == np.float16}
    assert halved == {name for name in arrays if name.endswith("_conv.kernel") and "depthwise" not in name}
    assert all(np.isfinite(array).all() for array in arrays.values())
