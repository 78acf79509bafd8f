"""The shipped model exported by the command, and run on real photos without captioner."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from captioner import Captioner
from captioner.cli import main
from captioner.decoding import beam_search
from captioner.exporting import FORMATS, export_model
from captioner.images import read_image
from captioner.options import DecodingOptions

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "data" / "photos").glob("*.jpg"))

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").split("## Take a model elsewhere")[1].split("\n## ")[0]
*OPENINGS, CAPTIONING = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
OPENED_BY = {re.search(r"# --format (\S+)", opening)[1]: opening for opening in OPENINGS}


@pytest.fixture(scope="module")
def captioner():
    return Captioner.load("flickr8k")


@pytest.fixture(scope="module", params=FORMATS)
def exported(request, tmp_path_factory):
    """`(folder, format)` of the shipped model, exported."""
    folder = tmp_path_factory.mktemp(request.param) / "exported"
    result = CliRunner().invoke(main, ["export", "flickr8k", str(folder), "--format", request.param])
    assert result.exit_code == 0, result.output
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    return folder, request.param


def test_photos_get_the_captions_they_get_at_home(exported, captioner, open_export):
    run = open_export(exported[0])
    images = [read_image(path, captioner.encoder.image_size) for path in PHOTOS]
    features = np.concatenate([run["encode"](image=image[None])["features"] for image in images])
    found = beam_search(run["step"], run["begin"](features=features), captioner.folder.decoding)
    expected = captioner.caption(PHOTOS)
    assert len(expected) > 5
    assert [captioner.tokenizer.decode(best.tokens) for best, *_ in found] == [caption.text for caption in expected]
    assert [best.log_prob for best, *_ in found] == pytest.approx([caption.log_prob for caption in expected], abs=2e-3)


def check_lines_of_the_readme(folder, format, captioner):
    photo = PHOTOS[0].with_name("dog.jpg")
    lines = OPENED_BY[format] + CAPTIONING + "assert 'captioner' not in sys.modules"
    command = [sys.executable, "-c", lines, photo]
    said = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)
    expected = captioner.caption(photo, DecodingOptions(beam_size=1)).text
    assert said.stdout.strip() == expected, said.stderr


def test_the_lines_of_the_readme_caption_without_captioner(exported, captioner):
    check_lines_of_the_readme(*exported, captioner)


def test_the_lines_of_the_readme_caption_with_an_encoder_in_integers(make_model, encoder_in_integers, tmp_path):
    captioner = make_model(tmp_path / "model", encoder=encoder_in_integers, precision="int8", decoder="gru")
    export_model(captioner, tmp_path / "exported", "litert")
    check_lines_of_the_readme(tmp_path / "exported", "litert", captioner)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["flickr8k", "out"], 2, "Missing option '--format'"),
        (["flickr8k", "out", "--format", "pmml"], 2, "pmml"),
        (["flikr8k", "out", "--format", "litert"], 1, "unknown preset 'flikr8k'; choose everyday, flickr8k, "),
        (["flickr8k", "full", "--format", "litert"], 1, "Error: full: holds something already; give a folder that is"),
        (["flickr8k", "full/file/out", "--format", "litert"], 1, "Error: full/file/out: cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_the_right_exit_code(
    arguments, exit_code, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    result = CliRunner().invoke(main, ["export", *arguments])
    assert result.exit_code == exit_code
    assert message in result.stderr and "Traceback" not in result.output
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]
