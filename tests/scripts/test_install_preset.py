"""Under which key a shipped preset names its encoder."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.encoders import shipped_graph
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


@pytest.fixture(params=["int8", "float"])
def folder(request, tmp_path):
    """A run with the shipped encoder, from a day when it went under another key."""
    shutil.copyfile(shipped_graph(NAME, request.param)[0], tmp_path / "encoder.tflite")
    encoder = EncoderInfo(NAME, f"{NAME}-0123456789ab", 320, 100, 1960, request.param)
    return ModelFolder(tmp_path, "run", encoder, NetworkOptions(), DecodingOptions(), 9, tmp_path / "encoder.tflite")


def test_the_shipped_graph_goes_under_today_s_key(script, folder):
    _, key = shipped_graph(NAME, folder.encoder.precision)
    assert script.under_todays_key(folder) == replace(folder, encoder=replace(folder.encoder, key=key))


def test_another_graph_keeps_its_key(script, folder):
    with (folder.path / "encoder.tflite").open("ab") as file:
        file.write(b"more")
    assert script.under_todays_key(folder) == folder


def test_an_encoder_that_is_not_shipped_keeps_its_key(script, folder):
    other = replace(folder, encoder=replace(folder.encoder, name="vgg16", key="vgg16-0123456789ab"))
    assert script.under_todays_key(other) == other
