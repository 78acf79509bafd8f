"""A model folder or a dataset may be a stranger's: whatever its JSON says, one plain line comes at once."""

import json
import math
import os
import shutil
from pathlib import Path

import pytest

from captioner.datasets import Dataset
from captioner.errors import DatasetError, ModelError
from captioner.files import sha256_of
from captioner.model_folder import CONFIG, FILES, TRAINING_RECORD, ModelFolder
from captioner.presets import PRESETS, SHARED_ENCODERS

HUGE = 10**9
DEEP = "[" * 100_000
VALUES = [
    HUGE,
    10**400,
    -1,
    1e308,
    math.nan,
    math.inf,
    "5",
    True,
    None,
    [],
    {},
    [[[[[1]]]]],
    "x" * 10_000,
    "../x",
    "\x1b",
]


@pytest.fixture
def model_dir(tmp_path):
    """A copy of a shipped model, small files of it as links."""
    model = tmp_path / "model"
    model.mkdir()
    for path in PRESETS["flickr8k-rnn"].iterdir():
        (model / path.name).symlink_to(path) if path.name != CONFIG else shutil.copy(path, model)
    return model


def refusal(open_it, *arguments):
    """The one short line with which something is refused."""
    with pytest.raises((ModelError, DatasetError)) as caught:
        open_it(*arguments)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 700
    return line


def open_model(model_dir):
    return ModelFolder.open(model_dir, SHARED_ENCODERS)


def change(model_dir, *keys, value):
    config = json.loads((model_dir / CONFIG).read_text())
    inner = config
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (model_dir / CONFIG).write_text(json.dumps(config))


def leaves(value, *above):
    """The path to every value of a configuration, in objects of all depths."""
    for key, inner in value.items():
        yield (*above, key)
        if isinstance(inner, dict) and key != "files":
            yield from leaves(inner, *above, key)


LEAVES = list(leaves(json.loads((PRESETS["flickr8k-rnn"] / CONFIG).read_text())))


def test_a_model_that_is_whole_is_opened(model_dir):
    assert open_model(model_dir).decoding.beam_size


@pytest.mark.parametrize("keys", LEAVES, ids=".".join)
def test_no_value_of_a_configuration_is_taken_on_trust(model_dir, keys):
    original = (model_dir / CONFIG).read_text()
    for value in VALUES:
        change(model_dir, *keys, value=value)
        try:
            folder = open_model(model_dir)
        except ModelError as error:
            assert "\n" not in str(error) and len(str(error)) < 700
        else:  # then it is of the right kind, and of a size that can be borne
            assert folder.decoding.max_words <= 1000 and folder.decoding.beam_size <= 1000
            assert folder.decoding.length_exponent <= 10
            assert folder.network.units <= 65536 and folder.encoder.image_size <= 4096
            assert not {"/", "..", "\x1b"} & {folder.encoder.key, folder.encoder.name}
        (model_dir / CONFIG).write_text(original)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("decoding", "max_words"), HUGE),
        (("decoding", "max_words"), True),
        (("decoding", "max_words"), "20"),
        (("decoding", "length_exponent"), 1e308),
        (("decoding", "length_exponent"), math.nan),
        (("decoding", "length_exponent"), math.inf),
        (("network", "units"), HUGE),
        (("network", "attention"), 1),
        (("encoder", "image_size"), HUGE),
        (("encoder", "key"), "../../x"),
        (("vocabulary_size",), True),
        (("name",), 5),
    ],
)
def test_what_would_run_for_ever_or_is_of_another_kind_is_refused(model_dir, keys, value):
    change(model_dir, *keys, value=value)
    assert refusal(open_model, model_dir).startswith(f"{model_dir / CONFIG}: ")


@pytest.mark.parametrize("name", ["/dev/zero", "../x", "/etc/passwd", "a/b", ".", "..", "", "\0", "pipe", "x" * 300])
def test_a_file_that_no_model_has_is_refused_and_not_read(model_dir, name):
    if name == "pipe":
        os.mkfifo(model_dir / name)
    files = json.loads((model_dir / CONFIG).read_text())["files"]
    change(model_dir, "files", value={name: "0" * 64} | files)
    assert "which is no file of a model" in refusal(open_model, model_dir)


@pytest.mark.parametrize("name", [*FILES, CONFIG])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "loop", "huge"])
def test_what_never_ends_is_not_read_under_any_name(model_dir, name, kind):
    if name == "encoder.tflite" and kind == "loop":
        pytest.skip("a link that leads nowhere is no encoder of its own")
    path = model_dir / name
    path.unlink(missing_ok=True)
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)  # a sparse file
    assert name in refusal(open_model, model_dir)


@pytest.mark.parametrize("content", [DEEP, '{"a":' * 100_000, '{"format": NaN}', '{"format": ' + "9" * 5000 + "}"])
def test_a_configuration_that_python_cannot_read_is_refused(model_dir, content):
    (model_dir / CONFIG).write_text(content)
    assert refusal(open_model, model_dir).startswith(f"{model_dir / CONFIG}: cannot be read (")


@pytest.mark.parametrize("content", [DEEP, "[]", "NaN", "", "\xff"])
def test_a_record_of_training_that_is_none_is_refused_when_it_is_asked_for(model_dir, content):
    (model_dir / TRAINING_RECORD).unlink()
    (model_dir / TRAINING_RECORD).write_text(content)
    files = json.loads((model_dir / CONFIG).read_text())["files"]
    change(model_dir, "files", value=files | {TRAINING_RECORD: sha256_of(model_dir / TRAINING_RECORD)})
    folder = open_model(model_dir)
    assert str(model_dir / TRAINING_RECORD) in refusal(lambda: folder.training)


# a dataset

SECTIONS = ("sources", "encoder", "options", "tokenizer", "counts")
LINE = {"image": "a.jpg", "split": "train", "captions": ["a dog"]}


@pytest.fixture
def data_dir(tmp_path):
    """A prepared dataset without features."""
    folder = tmp_path / "data"
    folder.mkdir()
    sources = {"x": {"source": "/x", "format": "csv", "images_dir": "/x"}}
    info = {key: {} for key in SECTIONS} | {"format": 2, "sources": sources}
    (folder / "dataset.json").write_text(json.dumps(info))
    (folder / "captions.jsonl").write_text(json.dumps(LINE) + "\n")
    return folder


def test_a_dataset_that_is_whole_is_opened(data_dir):
    dataset = Dataset.open(data_dir)
    assert dataset.photo_path(dataset.examples[0]) == Path("/x/a.jpg")


@pytest.mark.parametrize("name", ["dataset.json", "captions.jsonl"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "huge", "deep"])
def test_a_file_of_a_dataset_that_never_ends_is_not_read(data_dir, name, kind):
    path = data_dir / name
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_text(DEEP)
    assert refusal(Dataset.open, data_dir)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", [3, "x", [], True], ids=str)
def test_a_section_of_a_dataset_that_is_no_object_is_named(data_dir, section, value):
    info = json.loads((data_dir / "dataset.json").read_text())
    (data_dir / "dataset.json").write_text(json.dumps(info | {section: value}))
    assert section in refusal(Dataset.open, data_dir)


@pytest.mark.parametrize("sources", [{}, {"x": 3}, {"x": "images_dir"}, {"x": {"images_dir": 3}}], ids=str)
def test_sources_that_do_not_say_where_photos_are_are_named(data_dir, sources):
    info = json.loads((data_dir / "dataset.json").read_text())
    (data_dir / "dataset.json").write_text(json.dumps(info | {"sources": sources}))
    dataset = Dataset.open(data_dir)
    assert "does not say where its photos are" in refusal(lambda: dataset.photo_path(dataset.examples[0]))


@pytest.mark.parametrize(
    "changes",
    [
        {"image": 3},
        {"image": "/etc/passwd"},
        {"image": "../x.jpg"},
        {"captions": "a dog"},
        {"captions": [3]},
        {"captions": {"a": 1}},
        {"split": "holdout"},
        {"split": None},
        {"split": ["train"]},
        {"source": 3},
    ],
    ids=str,
)
def test_a_line_of_a_dataset_that_is_of_another_kind_is_named(data_dir, changes):
    (data_dir / "captions.jsonl").write_text(json.dumps(LINE | changes) + "\n")
    assert refusal(Dataset.open, data_dir) == f"{data_dir / 'captions.jsonl'}, line 1: not a line of a dataset"


def test_a_photo_of_no_source_is_named(data_dir):
    (data_dir / "captions.jsonl").write_text(json.dumps(LINE | {"source": "y"}) + "\n")
    dataset = Dataset.open(data_dir)
    assert "a.jpg is of no source" in refusal(lambda: dataset.photo_path(dataset.examples[0]))
