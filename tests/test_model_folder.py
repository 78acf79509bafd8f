"""A model folder is whole, or one plain line says what is wrong with it."""

import json
import shutil
from pathlib import Path

import pytest

from captioner.errors import ModelError
from captioner.files import sha256_of
from captioner.inference import Captioner
from captioner.model_folder import CONFIG, DECODER_GRAPH, ENCODER_GRAPH, FILES, VOCABULARY, ModelFolder, seal
from captioner.presets import PRESETS, SHARED_ENCODERS, open_model


@pytest.fixture
def model_dir(tiny_model_dir, tmp_path):
    """A copy of the model to break."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def refusal(open_it, *arguments):
    """The one line with which something is refused."""
    with pytest.raises(ModelError) as caught:
        open_it(*arguments)
    line = str(caught.value)
    assert line
    assert "\n" not in line
    return line


def change_config(model_dir, **changes):
    config = json.loads((model_dir / CONFIG).read_text())
    (model_dir / CONFIG).write_text(json.dumps(config | changes))


def replace_file(model_dir, name, content):
    """Another content under a hash that fits: only what the file says can be wrong now."""
    (model_dir / name).write_bytes(content)
    files = json.loads((model_dir / CONFIG).read_text())["files"]
    change_config(model_dir, files=files | {name: sha256_of(model_dir / name)})


def test_a_finished_run_is_a_model_that_knows_what_it_is(tiny_model_dir, encoder_info):
    folder = ModelFolder.open(tiny_model_dir)
    assert folder.name == "tiny"
    assert folder.encoder == encoder_info
    assert (folder.network.decoder, folder.network.attention, folder.network.units) == ("lstm", True, 32)
    assert len(folder.tokenizer) == folder.vocabulary_size
    assert folder.training["network"]["units"] == 32


def test_a_model_folder_holds_what_is_promised_and_nothing_hidden(tiny_model_dir):
    names = {path.name for path in tiny_model_dir.iterdir()} - {"tensorboard"}
    assert names == {CONFIG, *FILES, "log.csv", "learning_curves.png", "samples.png"}


def test_a_model_works_wherever_it_is_moved(tiny_model_dir, model_dir, drawings_dataset):
    photo = drawings_dataset.photo_path(drawings_dataset.split("test")[0])
    assert Captioner.load(model_dir).caption(photo) == Captioner.load(tiny_model_dir).caption(photo)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(model_dir, name):
    (model_dir / name).unlink()
    assert (
        refusal(open_model, model_dir)
        == f"{model_dir}: {name} is missing or cannot be read (No such file or directory)"
    )


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_named(model_dir, name):
    content = bytearray((model_dir / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model_dir / name).write_bytes(content)
    assert refusal(open_model, model_dir).startswith(f"{model_dir / name}: altered since the model was made")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_named(model_dir, name):
    (model_dir / name).write_bytes((model_dir / name).read_bytes()[:-1])
    assert refusal(open_model, model_dir).startswith(f"{model_dir / name}: altered")


def test_a_folder_in_a_file_s_place_is_named(model_dir):
    (model_dir / VOCABULARY).unlink()
    (model_dir / VOCABULARY).mkdir()
    assert refusal(open_model, model_dir) == f"{model_dir}: {VOCABULARY} is missing or cannot be read (Is a directory)"


@pytest.mark.parametrize("name", FILES)
def test_a_file_the_configuration_does_not_list_is_named(model_dir, name):
    files = json.loads((model_dir / CONFIG).read_text())["files"]
    del files[name]
    change_config(model_dir, files=files)
    assert refusal(open_model, model_dir) == f"{model_dir / CONFIG}: does not list {name}"


def test_a_missing_configuration_is_named(model_dir):
    (model_dir / CONFIG).unlink()
    assert refusal(open_model, model_dir) == f"{model_dir}: {CONFIG} is missing, so this is no finished model"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b'{"format": 1'], ids=repr)
def test_a_configuration_that_cannot_be_read_is_named(model_dir, content):
    (model_dir / CONFIG).write_bytes(content)
    assert refusal(open_model, model_dir).startswith(f"{model_dir / CONFIG}: cannot be read (")


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"format": 1}', '{"format": 1, "files": []}'])
def test_a_configuration_of_something_else_is_named(model_dir, content):
    (model_dir / CONFIG).write_text(content)
    assert refusal(open_model, model_dir) == f"{model_dir / CONFIG}: not the configuration of a model"


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format_is_named_beside_the_one_that_is_read(model_dir, number):
    change_config(model_dir, format=number)
    assert refusal(open_model, model_dir) == f"{model_dir / CONFIG}: model format {number!r}; this captioner reads 1"


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"decoder": "transformer"}},
        {"network": {"decoder": "lstm", "layers": 2}},
        {"network": {"decoder": "lstm", "units": "many"}},
        {"network": None},
        {"network": []},
        {"encoder": None},
        {"encoder": {"name": "efficientnet-lite2"}},
        {"decoding": {"beam_size": 0}},
        {"decoding": "greedy"},
    ],
    ids=str,
)
def test_a_configuration_that_makes_no_sense_is_named(model_dir, changes):
    change_config(model_dir, **changes)
    line = refusal(open_model, model_dir)
    assert line.startswith(f"{model_dir / CONFIG}: not the configuration of a model (")


@pytest.mark.parametrize("key", ["name", "encoder", "network", "decoding", "vocabulary_size"])
def test_a_configuration_that_lacks_something_is_named(model_dir, key):
    config = json.loads((model_dir / CONFIG).read_text())
    del config[key]
    (model_dir / CONFIG).write_text(json.dumps(config))
    assert refusal(open_model, model_dir) == f"{model_dir / CONFIG}: not the configuration of a model ('{key}')"


def test_a_vocabulary_that_does_not_fit_the_weights_is_named(model_dir):
    replace_file(model_dir, VOCABULARY, (model_dir / VOCABULARY).read_bytes() + b"zebra\n")
    size = json.loads((model_dir / CONFIG).read_text())["vocabulary_size"]
    line = refusal(open_model, model_dir)
    assert line == f"{model_dir / VOCABULARY}: has {size + 1} tokens, but the weights were made for {size}"


def test_a_vocabulary_that_is_none_is_named_with_the_line(model_dir):
    replace_file(model_dir, VOCABULARY, b"dog\ncat\n")
    assert refusal(open_model, model_dir) == f"{model_dir / VOCABULARY}, line 1: expected <pad>, found 'dog'"


def test_a_decoder_that_speaks_another_vocabulary_is_named(model_dir):
    change_config(model_dir, vocabulary_size=1 + json.loads((model_dir / CONFIG).read_text())["vocabulary_size"])
    replace_file(model_dir, VOCABULARY, (model_dir / VOCABULARY).read_bytes() + b"zebra\n")
    line = refusal(Captioner.load, model_dir)
    assert line.startswith(f"{model_dir}: {DECODER_GRAPH} speaks ")


@pytest.mark.parametrize("name", [ENCODER_GRAPH, DECODER_GRAPH])
def test_a_graph_that_is_none_is_named(model_dir, name):
    replace_file(model_dir, name, b"not a graph")
    assert refusal(Captioner.load, model_dir).startswith(f"{model_dir / name}: not a LiteRT model")


def test_a_graph_in_the_other_s_place_is_named(model_dir):
    encoder, decoder = ((model_dir / name).read_bytes() for name in (ENCODER_GRAPH, DECODER_GRAPH))
    replace_file(model_dir, DECODER_GRAPH, encoder)
    line = refusal(Captioner.load, model_dir)
    assert line == f"{model_dir / DECODER_GRAPH}: lacks the signatures begin and step"
    replace_file(model_dir, ENCODER_GRAPH, decoder)
    line = refusal(Captioner.load, model_dir)
    assert line == f"{model_dir / ENCODER_GRAPH}: an encoder has one signature, this graph has not"


def test_files_that_disagree_on_the_features_are_named(model_dir):
    config = json.loads((model_dir / CONFIG).read_text())
    change_config(model_dir, encoder=config["encoder"] | {"num_regions": 49})
    depth = config["encoder"]["depth"]
    assert refusal(Captioner.load, model_dir) == (
        f"{model_dir}: its files disagree on regions and depth of the features"
        f" (100 x {depth} in encoder.tflite, 100 x {depth} in decoder.tflite, 49 x {depth} in config.json)"
    )


@pytest.mark.parametrize("name", ["flikr8k", "resnet", "Flickr8k", ""])
def test_an_unknown_preset_is_answered_with_those_there_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(open_model, name) == f"unknown preset {name!r}; choose {', '.join(PRESETS)}, or give a model folder"


@pytest.mark.parametrize("name", ["runs/none", "./none"])
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    path = f"{tmp_path}/{name}"
    assert refusal(open_model, path) == f"{Path(path)}: no such model folder"


def test_a_file_is_no_model_folder(tmp_path):
    (tmp_path / "model").write_text("")
    assert refusal(open_model, tmp_path / "model") == f"{tmp_path / 'model'}: not a model folder"


def test_a_folder_named_like_a_preset_is_opened_by_its_path(model_dir, monkeypatch):
    for preset in PRESETS:
        model_dir = model_dir.rename(model_dir.parent / preset)
        monkeypatch.chdir(model_dir.parent)
        assert open_model(f"./{preset}").name == "tiny"
        assert open_model(Path(preset)).name == "tiny"
        assert open_model(str(model_dir)).name == "tiny"


@pytest.fixture
def shared_encoder(model_dir):
    """The encoder of a model that shares it: not in the model's folder."""
    shared = (model_dir / ENCODER_GRAPH).rename(model_dir.parent / "shared.tflite")
    change_config(model_dir, shares_encoder=True)
    return shared


def test_a_model_without_an_encoder_of_its_own_sees_through_the_shared_one(model_dir, shared_encoder):
    folder = ModelFolder.open(model_dir, {"int8": shared_encoder})
    assert folder.encoder_graph_path == shared_encoder
    assert Captioner(folder).encoder.key == folder.encoder.key


def test_a_shared_encoder_that_is_another_one_is_refused(model_dir, shared_encoder):
    with pytest.raises(ModelError, match="altered since the model was made"):
        ModelFolder.open(model_dir, {"int8": model_dir / DECODER_GRAPH})


def test_a_shared_encoder_that_is_missing_is_named(model_dir, shared_encoder):
    shared_encoder.unlink()
    with pytest.raises(ModelError, match=f"{shared_encoder}: cannot be read"):
        ModelFolder.open(model_dir, {"int8": shared_encoder})


def test_a_copy_of_a_companion_opens_by_its_path(tmp_path):
    copy = shutil.copytree(PRESETS["flickr8k-rnn"], tmp_path / "copy")
    assert open_model(str(copy)).encoder_graph_path == SHARED_ENCODERS["float"]


def test_an_encoder_of_its_own_comes_first(model_dir):
    assert (
        ModelFolder.open(model_dir, {"int8": model_dir / DECODER_GRAPH}).encoder_graph_path == model_dir / ENCODER_GRAPH
    )


def test_a_folder_is_sealed_with_the_encoder_it_shares(model_dir):
    folder = ModelFolder.open(model_dir)
    shared = (model_dir / ENCODER_GRAPH).rename(model_dir.parent / "shared.tflite")
    seal(model_dir, "shares", folder.encoder, folder.network, folder.decoding, shared)
    assert ModelFolder.open(model_dir, {"int8": shared}).name == "shares"
