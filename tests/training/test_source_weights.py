"""Training on a dataset that was mixed: how often each source is seen, and what its captions weigh."""

import dataclasses

import pytest
import small_encoder
from click.testing import CliRunner
from ends import record_of
from small_runs import run_of, train_quietly

from captioner.cli import main
from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.datasets.drawings import write_drawings
from captioner.encoders import ENCODERS
from captioner.encoders.exported import export_into
from captioner.errors import OptionsError
from captioner.inference import Encoder
from captioner.options import PrepareOptions
from captioner.training import Listener, train


@pytest.fixture(scope="module", autouse=True)
def with_small_encoder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENCODERS, small_encoder.NAME, small_encoder.SPEC)
        yield


def prepared_from(folder, **num_train):
    """Drawings from a source of that name and so many train photos each, prepared with the small encoder."""
    options = PrepareOptions(min_count=1, encoder=small_encoder.NAME, encoder_precision="float", allow_split_leaks=True)
    sources = []
    for seed, (name, count) in enumerate(num_train.items()):
        path = write_drawings(folder / name, count, 2, 1, seed)
        sources.append(NamedSource(name, path, *read_annotations(path)))

    def open_encoder(photos):
        return Encoder(*export_into(folder / "data" / "features", small_encoder.NAME, "float", photos))

    return prepare(sources, folder / "data", options, open_encoder, threads=1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """16 train drawings of the source `large` and 4 of `own`; nobody may change them."""
    return prepared_from(tmp_path_factory.mktemp("mixed"), large=16, own=4)


def weighted(dataset, output_dir, **source_weights):
    run = run_of(dataset, output_dir, tuning=None, epochs=1, batch_size=4)
    return dataclasses.replace(run, source_weights=source_weights)


def test_an_epoch_has_the_steps_that_the_weights_say(mixed, tmp_path):
    shown = []

    def progress(items, done, total, title, unit):
        shown.append((title, total))
        return items, lambda measured, tokens_per_second: None

    train(weighted(mixed, tmp_path / "run", large=0.5, own=2.5), True, Listener(progress=progress))
    assert ("epoch 1/1", 5) in shown  # of 4 photos each: 8 of large and 10 of own


def test_the_record_tells_the_weights(mixed, tmp_path):
    folder, _ = train_quietly(weighted(mixed, tmp_path / "run", own=2.0))
    record = record_of(folder.path)
    formats = {name: source["format"] for name, source in record["dataset"]["sources"].items()}
    assert formats == {"large": "sidecar", "own": "sidecar"}
    assert {name: source["weight"] for name, source in record["dataset"]["sources"].items()} == {"large": 1, "own": 2}
    assert record["run"]["source_weights"] == {"own": 2.0}
    with pytest.raises(OptionsError, match=r"source_weights was \{'own': 2.0\} and is \{'own': 3.0\}"):
        train_quietly(weighted(mixed, tmp_path / "run", own=3.0))
    with pytest.raises(OptionsError, match=r"source_weights was \{'own': 2.0\} and is None"):
        train_quietly(weighted(mixed, tmp_path / "run"))


def invoke(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def test_the_command_takes_weights_and_evenness(mixed, tmp_path):
    network = ["--units", "16", "--embedding-dim", "8", "--epochs", "1", "--no-mirror"]
    options = ["--source-weights", "own=2.5, large = 0.5", "--photo-evenness", "0.5"]
    result = invoke(mixed.folder, tmp_path / "run", *network, *options)
    assert result.exit_code == 0, result.stderr
    record = record_of(tmp_path / "run")
    assert record["run"]["source_weights"] == {"own": 2.5, "large": 0.5}
    assert record["training"]["photo_evenness"] == 0.5


def test_a_source_that_is_not_there_is_one_line_that_names_those_that_are(mixed, tmp_path):
    result = invoke(mixed.folder, tmp_path / "run", "--source-weights", "own=2,other=3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {mixed.folder}: no source 'other'; it has large, own\n"
    assert not (tmp_path / "run").exists()


def test_a_dataset_that_was_not_mixed_has_no_weights(drawings_dataset, tmp_path):
    result = invoke(drawings_dataset.folder, tmp_path / "run", "--source-weights", "photos=2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {drawings_dataset.folder}: not mixed, so it has no source 'photos'\n"


@pytest.mark.parametrize("text", ["own", "own=", "own=x", "=2", "own=0", "own=-1", "own=101", "own=nan", "own=inf", ""])
@pytest.mark.parametrize("form", ["{}", "large=1,{}", "{},large=1"])
def test_malformed_weights_are_refused_before_anything_is_read(text, form, tmp_path):
    given = form.format(text)
    result = invoke(tmp_path / "data", tmp_path / "run", "--source-weights", given)
    assert (result.exit_code, result.stdout) == (2, "")
    said = f"Error: --source-weights takes NAME=X,... with X above 0 and at most 100, not {given!r}\n"
    assert result.stderr == said


def test_a_source_cannot_be_weighted_twice(tmp_path):
    result = invoke(tmp_path / "data", tmp_path / "run", "--source-weights", "own=2,own=3")
    assert result.exit_code == 2 and "not 'own=2,own=3'" in result.stderr


def test_the_sample_has_no_sources_to_weight():
    result = invoke("--source-weights", "own=2")
    assert result.exit_code == 2
    assert "--source-weights goes with DATA_DIR and OUTPUT_DIR" in result.stderr


@pytest.mark.parametrize("evenness", ["-0.1", "1.5", "nan"])
def test_evenness_is_a_share(evenness, tmp_path):
    result = invoke(tmp_path / "data", tmp_path / "run", "--photo-evenness", evenness)
    assert result.exit_code == 2
    assert f"photo-evenness must be from 0 to 1, not {evenness}" in result.stderr
