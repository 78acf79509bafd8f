"""Encoders that are not shipped, on their way into a prepared dataset and from there into a model."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.datasets import Dataset
from captioner.datasets.drawings import write_drawings
from captioner.encoders import ENCODERS, EncoderSpec, build_encoder, graph_key, shipped_graph
from captioner.encoders.exported import export_into, find_exported
from captioner.encoders.opening import encoder_of
from captioner.encoders.projection import read_projection
from captioner.encoders.weights_file import hash_weights
from captioner.errors import CaptionerError, DatasetError, ModelError
from captioner.images import read_image
from captioner.inference import Captioner, Encoder
from captioner.model_folder import ModelFolder

NETWORK = ["--decoder", "gru", "--units", "16", "--embedding-dim", "8", "--epochs", "1"]


def invoke(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def no_keras(name):
    raise AssertionError(f"{name} was built in Keras again")


SUFFIXES = {"float": ".tflite", "int8": ".int8.tflite"}


@pytest.fixture(scope="module", params=SUFFIXES)
def prepared(request, tmp_path_factory):
    """Drawings prepared with MobileNetV2 in either precision, its weights at random: nobody may change them."""
    precision, folder = request.param, tmp_path_factory.mktemp("mobilenet")
    write_drawings(folder / "photos", 4, 2, 2)
    keras.utils.set_random_seed(8)
    model = build_encoder("mobilenet-v2", weights=None)
    *_, last_scale = (variable for variable in model.weights if variable.name == "gamma")
    last_scale.assign(1e11 * last_scale)  # random layers leave little of a photo: too little for float16
    options = ["--min-count", "1", "--encoder", "mobilenet-v2", "--encoder-precision", precision]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("captioner.encoders.exported.build_encoder", lambda name: model)
        result = invoke("prepare", folder / "photos", folder / "data", *options)
    (graph,) = (folder / "data" / "features").glob("*.tflite")
    key = graph_key("mobilenet-v2", graph) if precision == "int8" else f"mobilenet-v2-{hash_weights(model)[:12]}"
    return SimpleNamespace(
        precision=precision,
        photos=folder / "photos",
        data=folder / "data",
        options=options,
        model=model,
        key=key,
        graph_name=f"{key}{SUFFIXES[precision]}",
        result=result,
    )


@pytest.fixture
def copied(prepared, tmp_path):
    """The same dataset, to be harmed."""
    shutil.copytree(prepared.data, tmp_path / "data")
    return tmp_path / "data"


def fill(model, value):
    model.set_weights([np.full(w.shape, value, np.float32) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Train photos by which a graph in integers is made, one of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    write_drawings(folder, 6, 1, 1)
    paths = sorted(folder.glob("train/*.png"))
    paths[0].write_bytes(b"no photo")
    return paths


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


def test_prepare_exports_the_encoder_under_its_key(prepared):
    """That of its weights, or, as photos have a say in a graph in integers, that of the graph."""
    assert prepared.result.exit_code == 0
    assert f"building mobilenet-v2 in Keras, once for {prepared.data}" in prepared.result.stderr
    assert "building" not in prepared.result.stdout
    names = sorted(path.name for path in (prepared.data / "features").iterdir())
    assert names == sorted([prepared.key, prepared.graph_name])


def test_the_dataset_says_which_encoder_saw_its_photos(prepared):
    info = json.loads((prepared.data / "dataset.json").read_text())
    assert info["options"]["encoder"] == "mobilenet-v2" and info["options"]["encoder_precision"] == prepared.precision
    depth = info["encoder"].pop("depth")
    assert depth == 1280 if prepared.precision == "float" else depth < 1280
    named = {"name": "mobilenet-v2", "key": prepared.key, "precision": prepared.precision}
    assert info["encoder"] == named | {"image_size": 224, "num_regions": 49}


def test_the_features_are_those_of_keras_or_of_its_graph_in_integers(prepared):
    dataset = Dataset.open(prepared.data)
    info, path = encoder_of(dataset)
    features, rows = dataset.features_of(list(dataset.examples), info)
    assert len(rows) == 8
    for example, row in zip(dataset.examples[:2], rows, strict=False):
        image = read_image(dataset.photo_path(example), 224)
        if prepared.precision == "float":
            expected = prepared.model.predict_on_batch(image[None])[0]
            assert 0.1 < np.abs(expected).mean() < 3
            assert np.linalg.norm(features[row] - expected) < 0.01 * np.linalg.norm(expected)
        else:  # which what random layers leave of a photo is too little for
            np.testing.assert_array_equal(features[row], Encoder(path, info.key)(image[None])[0])
            assert read_projection(path, 1280).kernel.shape == (1280, info.depth)


def test_a_second_run_builds_nothing_and_says_the_same(prepared, copied, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    before = {path.name: path.read_bytes() for path in copied.rglob("*.*")}
    result = invoke("prepare", prepared.photos, copied, *prepared.options)
    assert (result.exit_code, result.stdout) == (0, prepared.result.stdout)
    assert {path.name: path.read_bytes() for path in copied.rglob("*.*")} == before


def test_a_second_run_loads_neither_tensorflow_nor_keras(prepared, copied):
    code = (
        "import sys; from captioner.cli import main\n"
        "try: main()\n"
        "finally: print('loaded', *{'keras', 'tensorflow'} & set(sys.modules))"
    )
    arguments = ["prepare", prepared.photos, copied, *prepared.options]
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_source_is_not_written_into(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    source = shutil.copytree(prepared.photos, tmp_path / "photos")
    result = invoke("prepare", source, source, "--encoder", "vgg16")
    assert result.exit_code == 2 and "is the source" in result.stderr
    assert not (source / "features").exists()


def test_without_a_photo_that_can_be_read_there_is_no_encoder_in_integers(tiny_encoder, tmp_path):
    tiny_encoder(0.5)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(ModelError, match="no photo can be read"):
        export_into(tmp_path / "features", "tiny", "int8", [tmp_path / "broken.jpg"])


@pytest.mark.parametrize("precision", SUFFIXES)
def test_other_weights_are_another_file(precision, tiny_encoder, photos, tmp_path):
    tiny_encoder(0.5)
    half, key = export_into(tmp_path, "tiny", precision, photos)
    assert find_exported("tiny", precision, tmp_path) == (half, key)
    assert re.fullmatch(r"tiny-[0-9a-f]{12}", key) and half.name == f"{key}{SUFFIXES[precision]}"
    tiny_encoder(0.25)
    quarter, _ = export_into(tmp_path, "tiny", precision, photos)
    assert quarter != half and quarter.read_bytes() != half.read_bytes()
    assert find_exported("tiny", precision, tmp_path) is None  # of two, Keras's weights decide
    tiny_encoder(0.5)
    content = half.read_bytes()
    assert export_into(tmp_path, "tiny", precision, photos) == (half, key)
    assert half.read_bytes() == content


def test_a_graph_in_float_is_not_written_twice(tiny_encoder, tmp_path):
    tiny_encoder(0.5)
    path, _ = export_into(tmp_path, "tiny", "float", [])
    written = path.stat().st_mtime_ns
    export_into(tmp_path, "tiny", "float", [])
    assert path.stat().st_mtime_ns == written


def test_both_precisions_of_an_encoder_lie_side_by_side(tiny_encoder, photos, tmp_path):
    tiny_encoder(0.5)
    exported = {precision: export_into(tmp_path, "tiny", precision, photos) for precision in SUFFIXES}
    for precision, graph in exported.items():
        assert find_exported("tiny", precision, tmp_path) == graph


def test_an_encoder_is_not_taken_for_one_whose_name_begins_alike(tmp_path):
    for name in ("tiny-v2-0123456789ab.tflite", "tiny-0123456789ab.npy", ".tiny-0123456789ab.tflite.7.part"):
        (tmp_path / name).touch()
    for precision in SUFFIXES:
        assert find_exported("tiny", precision, tmp_path) is None


@pytest.mark.parametrize("precision", SUFFIXES)
def test_an_export_that_fails_leaves_nothing_behind(precision, tiny_encoder, photos, tmp_path, monkeypatch):
    def broken_off(path, content):
        path.open("wb").write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", broken_off)
    with pytest.raises(CaptionerError, match="cannot be written \\(No space left on device\\)"):
        export_into(tmp_path / "features", "tiny", precision, photos)
    assert list((tmp_path / "features").iterdir()) == []


# into the model


def test_training_needs_no_keras_weights_and_the_model_speaks_alone(prepared, copied, tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.encoders.exported.build_encoder", no_keras)
    monkeypatch.setattr("captioner.encoders.build_encoder", no_keras)
    result = invoke("train", copied, tmp_path / "model", *NETWORK)
    assert result.exit_code == 0, result.stderr
    graph = (copied / "features" / prepared.graph_name).read_bytes()
    shutil.rmtree(copied)
    assert (tmp_path / "model" / "encoder.tflite").read_bytes() == graph
    folder = ModelFolder.open(tmp_path / "model")
    assert (folder.encoder.name, folder.encoder.key, folder.encoder.image_size) == ("mobilenet-v2", prepared.key, 224)
    captioner = Captioner(folder)
    assert captioner.caption(next(prepared.photos.rglob("*.png"))).log_prob < 0


def test_training_without_the_exported_encoder_is_one_line(copied, prepared, tmp_path):
    (copied / "features" / prepared.graph_name).unlink()
    result = invoke("train", copied, tmp_path / "model", *NETWORK)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {copied / 'features'}: the graph of {prepared.key} is missing; prepare it again\n"
    )


def test_training_with_another_encoders_file_is_refused_before_it_begins(copied, prepared):
    other, _ = shipped_graph("efficientnet-lite2-320", prepared.precision)
    shutil.copyfile(other, copied / "features" / prepared.graph_name)
    with pytest.raises(DatasetError, match=r"not the encoder that .* was prepared with"):
        encoder_of(Dataset.open(copied))


def test_training_with_a_broken_file_is_refused_before_it_begins(copied, prepared):
    (copied / "features" / prepared.graph_name).write_bytes(b"junk" * 9)
    with pytest.raises(DatasetError, match=rf"{prepared.graph_name}: cannot be opened; prepare the dataset again"):
        encoder_of(Dataset.open(copied))


def test_an_altered_graph_in_integers_is_another(copied, prepared):
    """In float, the weights that the name speaks of are not at hand to be compared."""
    with (copied / "features" / prepared.graph_name).open("ab") as file:
        file.write(bytes(8))
    if prepared.precision == "float":
        assert encoder_of(Dataset.open(copied))[0].key == prepared.key
    else:
        with pytest.raises(DatasetError, match=r"not the encoder that .* was prepared with"):
            encoder_of(Dataset.open(copied))


@pytest.fixture
def changed_info(drawings_dataset):
    """A function `(change) -> Dataset`: the drawings, seen by the shipped encoder, another thing said of it."""

    def changed(change):
        info = json.loads(json.dumps(drawings_dataset.info))
        change(info)
        return replace(drawings_dataset, info=info)

    return changed


def test_the_shipped_encoder_is_found_without_a_file_in_the_dataset(drawings_dataset, encoder_info):
    assert encoder_of(drawings_dataset) == (encoder_info, shipped_graph("efficientnet-lite2-320", "int8")[0])
    assert not list((drawings_dataset.folder / "features").glob("*.tflite"))


def test_a_shipped_encoder_that_has_changed_since_is_one_line(changed_info, encoder_info):
    dataset = changed_info(lambda info: info["encoder"].update(key="efficientnet-lite2-320-0123456789ab"))
    with pytest.raises(DatasetError) as found:
        encoder_of(dataset)
    assert str(found.value) == (
        f"{dataset.folder}: prepared with efficientnet-lite2-320-0123456789ab, but efficientnet-lite2-320 is now"
        f" {encoder_info.key}; prepare it again"
    )


@pytest.mark.parametrize(
    "change",
    [lambda info: info.pop("encoder"), lambda info: info["encoder"].pop("key"), lambda info: info.update(encoder="x")],
)
def test_a_dataset_that_names_no_encoder_is_one_line(change, changed_info):
    dataset = changed_info(change)
    with pytest.raises(DatasetError) as found:
        encoder_of(dataset)
    assert str(found.value) == f"{dataset.folder}: its dataset.json names no encoder; prepare it again"


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
