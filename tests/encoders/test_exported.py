"""Encoders that are not shipped, on their way into a prepared dataset and from there into a model."""

import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.cli.encoders import encoder_of
from captioner.datasets import Dataset
from captioner.datasets.drawings import write_drawings
from captioner.encoders import ENCODERS, EncoderSpec, build_encoder, encoder_spec
from captioner.encoders.exported import export_into, find_exported
from captioner.encoders.weights_file import hash_weights
from captioner.errors import CaptionerError, DatasetError
from captioner.images import read_image
from captioner.inference import Captioner
from captioner.model_folder import ModelFolder

NETWORK = ["--decoder", "gru", "--units", "16", "--embedding-dim", "8", "--epochs", "1"]


def invoke(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def no_keras(name):
    raise AssertionError(f"{name} was built in Keras again")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Drawings prepared with MobileNetV2, its weights at random: nobody may change them."""
    folder = tmp_path_factory.mktemp("mobilenet")
    write_drawings(folder / "photos", 4, 2, 2)
    keras.utils.set_random_seed(8)
    model = build_encoder("mobilenet-v2", weights=None)
    *_, last_scale = (variable for variable in model.weights if variable.name == "gamma")
    last_scale.assign(1e11 * last_scale)  # random layers leave little of a photo: too little for float16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("captioner.encoders.exported.build_encoder", lambda name: model)
        result = invoke("prepare", folder / "photos", folder / "data", "--min-count", "1", "--encoder", "mobilenet-v2")
    key = f"mobilenet-v2-{hash_weights(model)[:12]}"
    return SimpleNamespace(photos=folder / "photos", data=folder / "data", model=model, key=key, result=result)


@pytest.fixture
def copied(prepared, tmp_path):
    """The same dataset, to be harmed."""
    shutil.copytree(prepared.data, tmp_path / "data")
    return tmp_path / "data"


def fill(model, value):
    model.set_weights([np.full(w.shape, value, np.float32) for w in model.get_weights()])
    return model


@pytest.fixture
def tiny_encoder(monkeypatch):
    """`tiny`, among the encoders from now on; a function `(value) -> None` that fills its weights with the value."""
    image = keras.Input((8, 8, 3), dtype="uint8")
    grid = keras.layers.Conv2D(6, 4, strides=4)(keras.ops.cast(image, "float32"))
    model = keras.Model(image, keras.ops.reshape(grid, (-1, 4, 6)))
    spec = EncoderSpec("tiny", 8, 4, 6, lambda *_: model, None, "Apache-2.0", 0.0, "conv")
    monkeypatch.setitem(ENCODERS, "tiny", spec)
    return lambda value: fill(model, value)


# into the prepared dataset


def test_prepare_exports_the_encoder_under_the_key_of_its_weights(prepared):
    assert prepared.result.exit_code == 0
    assert f"building mobilenet-v2 in Keras, once for {prepared.data}" in prepared.result.stderr
    assert "building" not in prepared.result.stdout
    names = sorted(path.name for path in (prepared.data / "features").iterdir())
    assert names == [f"{prepared.key}.index.jsonl", f"{prepared.key}.npy", f"{prepared.key}.tflite"]


def test_the_dataset_says_which_encoder_saw_its_photos(prepared):
    info = json.loads((prepared.data / "dataset.json").read_text())
    assert info["encoder"] == prepared.key and info["options"]["encoder"] == "mobilenet-v2"
    grid = {"image_size": 224, "num_regions": 49, "depth": 1280}
    assert info["encoder_info"] == {"name": "mobilenet-v2", "key": prepared.key} | grid


def test_the_features_are_those_of_keras(prepared):
    dataset = Dataset.open(prepared.data)
    info, _ = encoder_of(dataset)
    features, rows = dataset.features_of(list(dataset.examples), info)
    assert len(rows) == 8
    for example, row in zip(dataset.examples[:2], rows, strict=False):
        image = read_image(dataset.photo_path(example), 224)
        expected = prepared.model.predict_on_batch(image[None])[0]
        assert 0.1 < np.abs(expected).mean() < 3
        assert np.linalg.norm(features[row] - expected) < 0.01 * np.linalg.norm(expected)


def test_a_second_run_builds_nothing_and_says_the_same(prepared, copied, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    before = {path.name: path.read_bytes() for path in copied.rglob("*.*")}
    result = invoke("prepare", prepared.photos, copied, "--min-count", "1", "--encoder", "mobilenet-v2")
    assert (result.exit_code, result.stdout) == (0, prepared.result.stdout)
    assert {path.name: path.read_bytes() for path in copied.rglob("*.*")} == before


def test_a_second_run_loads_neither_tensorflow_nor_keras(prepared, copied):
    code = (
        "import sys; from captioner.cli import main\n"
        "try: main()\n"
        "finally: print('loaded', *{'keras', 'tensorflow'} & set(sys.modules))"
    )
    arguments = ["prepare", prepared.photos, copied, "--min-count", "1", "--encoder", "mobilenet-v2"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_source_is_not_written_into(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    source = shutil.copytree(prepared.photos, tmp_path / "photos")
    result = invoke("prepare", source, source, "--encoder", "vgg16")
    assert result.exit_code == 2 and "is the source" in result.stderr
    assert not (source / "features").exists()


def test_other_weights_are_another_file(tiny_encoder, tmp_path):
    tiny_encoder(0.5)
    half = export_into(tmp_path, "tiny")
    assert find_exported("tiny", tmp_path) == half
    assert re.fullmatch(r"tiny-[0-9a-f]{12}\.tflite", half.name)
    tiny_encoder(0.25)
    quarter = export_into(tmp_path, "tiny")
    assert quarter != half and quarter.read_bytes() != half.read_bytes()
    assert find_exported("tiny", tmp_path) is None  # of two, Keras's weights decide
    tiny_encoder(0.5)
    written = half.stat().st_mtime_ns
    assert export_into(tmp_path, "tiny") == half and half.stat().st_mtime_ns == written


def test_an_encoder_is_not_taken_for_one_whose_name_begins_alike(tmp_path):
    for name in ("tiny-v2-0123456789ab.tflite", "tiny-0123456789ab.npy", ".tiny-0123456789ab.tflite.7.part"):
        (tmp_path / name).touch()
    assert find_exported("tiny", tmp_path) is None


def test_an_export_that_fails_leaves_nothing_behind(tiny_encoder, tmp_path, monkeypatch):
    def broken_off(path, content):
        path.open("wb").write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", broken_off)
    with pytest.raises(CaptionerError, match="cannot be written \\(No space left on device\\)"):
        export_into(tmp_path / "features", "tiny")
    assert list((tmp_path / "features").iterdir()) == []


# into the model


def test_training_needs_no_keras_weights_and_the_model_speaks_alone(prepared, copied, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    monkeypatch.setattr("captioner.encoders.build_encoder", no_keras)
    result = invoke("train", copied, tmp_path / "model", *NETWORK)
    assert result.exit_code == 0, result.stderr
    graph = (copied / "features" / f"{prepared.key}.tflite").read_bytes()
    shutil.rmtree(copied)
    assert (tmp_path / "model" / "encoder.tflite").read_bytes() == graph
    folder = ModelFolder.open(tmp_path / "model")
    assert (folder.encoder.name, folder.encoder.key, folder.encoder.image_size) == ("mobilenet-v2", prepared.key, 224)
    captioner = Captioner(folder)
    assert captioner.caption(next(prepared.photos.rglob("*.png"))).log_prob < 0


def test_training_without_the_exported_encoder_is_one_line(copied, prepared, tmp_path):
    (copied / "features" / f"{prepared.key}.tflite").unlink()
    result = invoke("train", copied, tmp_path / "model", *NETWORK)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {copied / 'features' / prepared.key}.tflite: is missing; run `captioner prepare` again\n"
    )


def test_training_with_another_encoders_file_is_refused_before_it_begins(copied, prepared):
    path = copied / "features" / f"{prepared.key}.tflite"
    shutil.copyfile(encoder_spec("efficientnet-lite2-320").tflite_path, path)
    with pytest.raises(DatasetError, match=r"not the encoder that .* was prepared with"):
        encoder_of(Dataset.open(copied))


def test_a_dataset_prepared_before_encoders_were_recorded_is_still_read(drawings_dataset, encoder_info, tmp_path):
    for path in drawings_dataset.folder.glob("*.*"):
        shutil.copyfile(path, tmp_path / path.name)
    info = json.loads((tmp_path / "dataset.json").read_text())
    assert info.pop("encoder_info") == vars(encoder_info)
    (tmp_path / "dataset.json").write_text(json.dumps(info))
    assert encoder_of(Dataset.open(tmp_path)) == (encoder_info, encoder_spec("efficientnet-lite2-320").tflite_path)


# the command line


def test_help_lists_every_encoder_with_its_grid():
    out = invoke("prepare", "--help").stdout
    rows = {words[0]: words for line in out.splitlines() if (words := line.split()) and words[0] in ENCODERS}
    assert rows.keys() == ENCODERS.keys()
    for name, spec in ENCODERS.items():
        size = str(spec.image_size)
        assert rows[name][1:7] == [size, "x", size, str(spec.num_regions), "x", str(spec.depth)]


def test_an_unknown_encoder_gives_exit_code_2_and_the_list(prepared, tmp_path):
    result = invoke("prepare", prepared.photos, tmp_path / "data", "--encoder", "vgg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: unknown encoder 'vgg'; choose {', '.join(ENCODERS)}\n"
    assert not (tmp_path / "data").exists()
