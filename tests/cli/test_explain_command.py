"""`captioner explain`"""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from equations import by_the_equations
from nobody import as_nobody, open_folder
from PIL import Image

from captioner.cli import main
from captioner.decoder_weights import whole_decoder_weights
from captioner.explaining.cells import CellWeights
from captioner.presets import PRESETS
from captioner.tokenizer import Tokenizer

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "dog.jpg"
LAYERS = {"everyday": "lstm", "flickr8k": "lstm", "flickr8k-gru": "gru", "flickr8k-rnn": "simple_rnn"}


def run(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def caption_of(photo, *arguments):
    result = CliRunner().invoke(main, ["caption", str(photo), *map(str, arguments)])
    assert result.exit_code == 0
    return result.stdout


def assert_refused(result, code, message):
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"Error: {message}\n")


@pytest.fixture(scope="module", params=LAYERS)
def shipped(request, tmp_path_factory):
    """`(name, folder of what was written, result)` of a shipped model."""
    folder = tmp_path_factory.mktemp("explained")
    result = run(PHOTO, "-m", request.param, "-o", folder / "explain.png", "--json", folder / "explain.json")
    return request.param, folder, result


def test_it_prints_the_caption_that_captioning_prints(shipped):
    name, _, result = shipped
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == caption_of(PHOTO, "-m", name)


def test_the_picture_is_a_png_that_is_legible_at_its_size(shipped):
    _, folder, _ = shipped
    with Image.open(folder / "explain.png") as image:
        assert (image.format, image.width) == ("PNG", 1500)
        assert image.height > 1200
    assert (folder / "explain.png").stat().st_size < 2e6


def test_the_numbers_are_the_activations_of_the_steps_that_chose_the_words(shipped):
    """Every step once more, by the published equations, from nothing but the JSON, the weights and the vocabulary."""
    name, folder, _ = shipped
    record = json.loads((folder / "explain.json").read_text(encoding="utf-8"))
    with whole_decoder_weights(PRESETS[name]) as path, h5py.File(path) as file:
        cell = file[f"layers/{LAYERS[name]}/cell/vars"]
        kernel, recurrent_kernel, bias = (cell[str(i)][()].astype(np.float64) for i in range(3))
        embeddings = file["embedding/vars/0"][()].astype(np.float64)
    bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    weights = CellWeights(kernel, recurrent_kernel, bias, recurrent_bias)
    tokens = Tokenizer.load(PRESETS[name] / "vocabulary.txt").tokens
    before = {state: np.array(values) for state, values in record["first_state"].items()}
    for step in record["steps"]:
        expected = by_the_equations(record["decoder"], weights, embeddings[tokens.index(step["read"])], before)
        assert step["activations"].keys() == expected.keys()
        for part, values in step["activations"].items():
            np.testing.assert_allclose(values, expected[part], atol=1e-4)
        before = {state: np.array(step["activations"][state]) for state in record["states"]}
    assert sum(step["chosen"]["log_prob"] for step in record["steps"]) == pytest.approx(record["log_prob"], abs=1e-4)


def test_json_alone_draws_nothing(tiny_model_dir, tmp_path):
    result = run(PHOTO, "-m", tiny_model_dir, "--json", tmp_path / "explain.json", "--beam-size", 2)
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["explain.json"]
    record = json.loads((tmp_path / "explain.json").read_text(encoding="utf-8"))
    assert record["search"]["beam_size"] == 2
    assert result.stdout == caption_of(PHOTO, "-m", tiny_model_dir, "--beam-size", 2) == record["text"] + "\n"
    assert record["file_name"] == str(PHOTO)


def test_a_model_without_attention_is_explained_as_well(blind_model_dir, tmp_path):
    result = run(PHOTO, "-m", blind_model_dir, "-o", tmp_path / "explain.png", "--show", "hidden")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == caption_of(PHOTO, "-m", blind_model_dir)
    assert (tmp_path / "explain.png").exists()


def test_words_that_no_font_here_has_are_one_line_on_stderr(blind_model_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.outputs.pages.fonts_for", lambda text: (["DejaVu Sans"], "개한"))
    result = run(PHOTO, "-m", blind_model_dir, "-o", tmp_path / "explain.png", "--show", "hidden")
    assert result.exit_code == 0
    assert result.stderr == (
        "no font here has 개한: drawn as boxes; install one that has them, such as Noto Sans CJK\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say where to write: -o FILE.png, --json FILE, or both"),
        (["-o", "a.jpg"], "a.jpg: ends with .jpg; a picture is written as .png, .svg, .pdf"),
        (["-o", "a"], "a: has no ending; a picture is written as .png, .svg, .pdf"),
        (["--json", "a.json", "--show", "gates"], "--show goes with -o"),
        (["-o", "a.svg", "--json", "a.svg"], "-o and --json both name a.svg"),
        (["-o", "a.png", "--beam-size", "0"], "beam-size must be 1 to 1000, not 0"),
        (
            ["-o", "a.png", "-m", "flickr8k-rnn", "--show", "gates"],
            "an RNN has no gates; what can be seen of it: hidden",
        ),
        (
            ["-o", "a.png", "-m", "flickr8k-gru", "--show", "hidden,memory"],
            "a GRU has no memory; what can be seen of it: gates, hidden",
        ),
        (["-o", "a.png", "--show", "doors"], "unknown part 'doors'; choose gates, memory, hidden"),
    ],
)
def test_options_that_make_no_sense_are_one_line_and_exit_with_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(run(PHOTO, *arguments), 2, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_the_photo_itself_is_never_written_over(option, tmp_path):
    photo = tmp_path / "photo.png"
    with Image.open(PHOTO) as image:
        image.save(photo)
    before = photo.read_bytes()
    given = tmp_path / "." / "photo.png"
    assert_refused(run(photo, option, given), 2, f"{option} {given} is the photo itself")
    assert photo.read_bytes() == before


def test_a_missing_photo_is_one_line_and_exits_with_1(tmp_path):
    photo = tmp_path / "nosuch.jpg"
    assert_refused(run(photo, "-o", tmp_path / "a.png"), 1, f"{photo}: no such file")
    assert_refused(run(tmp_path, "-o", tmp_path / "a.png"), 1, f"{tmp_path}: a folder, not a photo")


@pytest.mark.parametrize("arguments", [["-o", "no/explain.png"], ["--json", "no/explain.json"]])
def test_a_folder_that_is_not_there_is_one_line_before_anything_is_computed(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("captioner.explaining.explain", None)  # would be a traceback
    assert_refused(run(PHOTO, *arguments), 1, "no: cannot be written (No such file or directory)")


def test_a_folder_that_may_not_be_written_is_one_line():
    with open_folder() as folder:
        with as_nobody():
            result = run(PHOTO, "-o", folder / "explain.png")
        assert_refused(result, 1, f"{folder}: cannot be written (Permission denied)")


def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path):
    tmp_path.chmod(0o700)
    with as_nobody():
        result = run(PHOTO, "-o", tmp_path / "explain.png")
    assert_refused(result, 1, f"{tmp_path}: cannot be written (Permission denied)")


def test_an_output_that_is_a_folder_is_one_line(tmp_path):
    (tmp_path / "a.png").mkdir()
    assert_refused(run(PHOTO, "-o", tmp_path / "a.png"), 1, f"{tmp_path / 'a.png'}: a folder, not a file")


def test_a_model_that_is_broken_is_one_line(tiny_model_dir, tmp_path):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (model / "decoder.weights.h5").unlink()
    result = run(PHOTO, "-m", model, "-o", tmp_path / "a.png")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {model}: decoder.weights.h5 is missing or cannot be read")
    assert result.stderr.count("\n") == 1
