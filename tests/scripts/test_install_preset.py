"""Under which key a shipped preset names its encoder."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.encoders import encoder_key, encoder_spec
from captioner.model_folder import EncoderInfo, ModelFolder
from captioner.options import DecodingOptions, NetworkOptions

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_preset.py"
NAME = "efficientnet-lite2-320"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("install_preset", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A run with the shipped encoder, from a day when the weights' file had another hash."""
    shutil.copyfile(encoder_spec(NAME).tflite_path, tmp_path / "encoder.tflite")
    encoder = EncoderInfo(NAME, f"{NAME}-0123456789ab", 320, 100, 1960)
    return ModelFolder(tmp_path, "run", encoder, NetworkOptions(), DecodingOptions(), 9, tmp_path / "encoder.tflite")


def test_the_shipped_graph_goes_under_the_key_of_the_shipped_weights(script, folder):
    assert script.under_todays_key(folder) == replace(folder, encoder=replace(folder.encoder, key=encoder_key(NAME)))


def test_another_graph_keeps_its_key(script, folder):
    with (folder.path / "encoder.tflite").open("ab") as file:
        file.write(b"more")
    assert script.under_todays_key(folder) == folder


def test_an_encoder_that_is_not_shipped_keeps_its_key(script, folder):
    other = replace(folder, encoder=replace(folder.encoder, name="vgg16", key="vgg16-0123456789ab"))
    assert script.under_todays_key(other) == other
