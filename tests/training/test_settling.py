"""Fine-tuning an encoder in integers: it learns in float, is written in integers, and the decoder settles on those."""

import csv
import dataclasses
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_encoder
from ends import assert_same_encoder, assert_same_end, record_of, weights_of
from small_runs import NETWORK, TUNING, Judged, arrays_of, prepare_small, run_of, train_quietly

from captioner.encoders import ENCODERS, graph_key
from captioner.encoders.opening import encoder_of
from captioner.encoders.projection import read_projection
from captioner.errors import CaptionerError, OptionsError
from captioner.images import read_image
from captioner.inference import Captioner, Encoder
from captioner.model_folder import (
    CONFIG,
    DECODER_WEIGHTS,
    ENCODER_GRAPH,
    ENCODER_WEIGHTS,
    FILES,
    MODEL_CARD,
    ModelFolder,
)
from captioner.options import SettlingOptions
from captioner.training import Listener, finish, loop, phases, train
from captioner.training.board import FOLDER as BOARD
from captioner.training.run import CHECKPOINT
from captioner.training.seeing import Eyes
from captioner.training.standing import CURVES, LOG, SAMPLES, TUNED

SETTLING = SettlingOptions(epochs=3, learning_rate=1e-2, patience=1)


@pytest.fixture(scope="module", autouse=True)
def with_small_encoder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENCODERS, small_encoder.NAME, small_encoder.SPEC)
        patch.setattr(loop, "SettlingOptions", lambda: SETTLING)
        yield


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Drawings with a dev split, prepared with the small encoder in integers."""
    return prepare_small(tmp_path_factory.mktemp("small"), "int8")


@pytest.fixture(scope="module")
def without_dev(prepared):
    """The same drawings, the dev split left out: the last epoch is kept, whatever it says."""
    return dataclasses.replace(prepared, examples=tuple(e for e in prepared.examples if e.split != "dev"))


@pytest.fixture(scope="module")
def settled(without_dev, tmp_path_factory):
    """The folder of a run that nothing interrupts; nobody may change it."""
    return train_quietly(run_of(without_dev, tmp_path_factory.mktemp("settled") / "run"))[0]


class Interrupting(Listener):
    """Interrupts in the epoch of that title, after so many of its steps."""

    def __init__(self, title, num_steps):
        def progress(batches, done, total, shown, unit):
            def some():
                yield from itertools.islice(batches, num_steps)
                raise KeyboardInterrupt

            return (some() if shown == title else batches), lambda loss, tokens_per_second: None

        super().__init__(progress=progress)


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def broken_off(without_dev, settled, tmp_path_factory):
    """The folder of the same run, interrupted while it settles; nobody may change it."""
    run = run_of(without_dev, tmp_path_factory.mktemp("broken-off") / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, True, Interrupting("epoch 2/3", 2))
    return run.output_dir


@pytest.fixture
def unfinished(broken_off, tmp_path):
    """A copy of the interrupted run to go on with."""
    return Path(shutil.copytree(broken_off, tmp_path / "run"))


def assert_same_settled_end(folder, expected):
    assert_same_end(folder, expected)
    assert_same_encoder(folder, expected)
    ours, theirs = (record_of(each)["settling"]["history"] for each in (folder, expected))
    assert [row["loss"] for row in ours] == [row["loss"] for row in theirs]


def as_init(run, model):
    """The run with the encoder of the model it goes on from, as the command line makes it."""
    return dataclasses.replace(run, init=model, encoder=model.encoder, encoder_graph_path=model.path / ENCODER_GRAPH)


# what it ends in


def test_the_model_sees_in_integers_through_an_encoder_of_its_own(settled, prepared):
    graph = Encoder(settled.encoder_graph_path, "", threads=1)
    assert graph.quantization is not None and settled.encoder.precision == "int8"
    assert settled.encoder.key == graph_key(small_encoder.NAME, settled.path / ENCODER_GRAPH)
    before, _ = encoder_of(prepared)
    assert settled.encoder.key != before.key
    assert dataclasses.replace(settled.encoder, key=before.key) == before


def test_what_the_first_part_gave_is_gone(settled):
    names = {path.name for path in settled.path.iterdir()}
    assert names - {BOARD} == {CONFIG, *FILES, ENCODER_WEIGHTS, LOG, CURVES}
    assert settled.name == "run"


def test_the_graph_gives_what_the_weights_in_keras_give(settled, prepared):
    run = as_init(run_of(prepared, settled.path), settled)
    encoder = Eyes.of(run).encoder
    assert ENCODER_WEIGHTS in {path.name for path in settled.path.iterdir()}
    images = np.stack([read_image(prepared.photo_path(example), 32) for example in prepared.split("test")])
    in_keras, found = encoder.predict_on_batch(images), Captioner(settled).encoder(images)
    assert np.linalg.norm(found - in_keras) < 0.15 * np.linalg.norm(in_keras)


def test_encoder_and_projection_have_learned(settled, prepared):
    _, path = encoder_of(prepared)
    before, after = (read_projection(each, depth=16).kernel for each in (path, settled.encoder_graph_path))
    assert np.abs(after - before).max() > 1e-2
    images = np.stack([read_image(prepared.photo_path(example), 32) for example in prepared.split("test")])
    seen_before, seen = (Encoder(each, "", threads=1)(images) for each in (path, settled.encoder_graph_path))
    assert np.linalg.norm(seen - seen_before) > 0.1 * np.linalg.norm(seen_before)


def test_the_decoder_settled_on_features_that_the_graph_gives(settled, without_dev):
    cache = without_dev.feature_cache(settled.encoder)
    graph = Encoder(settled.encoder_graph_path, "", threads=1)
    for example in without_dev.split("train")[:3]:
        image = read_image(without_dev.photo_path(example), 32)
        np.testing.assert_array_equal(cache.features()[cache.rows[example.image]], graph(image[None])[0])


def test_the_record_tells_of_both_parts(settled, prepared):
    record = record_of(settled.path)
    tuning, settling = record["fine_tuning"], record["settling"]
    assert [row["epoch"] for row in record["epochs"]] == [1, 2, 3, 4] and record["best_epoch"] == 4
    expected = {"cut": "block2", "began_with": prepared.info["encoder"]["key"], "is_kept": True}
    assert tuning.items() >= (TUNING.to_json() | expected).items()
    assert tuning["calibration"].items() >= {"of": "train", "seed": 0}.items()
    assert settling.items() >= (SETTLING.to_json() | {"best_epoch": 3, "is_kept": True}).items()
    assert [row["epoch"] for row in settling["history"]] == [1, 2, 3]
    assert settling["settled"]["epoch"] == 0
    assert record["encoder"] == vars(settled.encoder)
    assert record["seconds"] >= settling["seconds"] > 0
    assert record["init"] is None


def test_the_card_and_the_log_tell_of_both_parts(settled):
    card = (settled.path / MODEL_CARD).read_text()
    assert card.startswith("# run\n")
    assert "From epoch 3 on, the layers of the encoder behind `block2` learned" in card
    assert "Then the encoder was written in integers" in card and "3 more epochs" in card
    with (settled.path / LOG).open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5", "6", "7"]


def test_the_folder_captions_without_the_dataset_it_learned_from(settled, prepared, tmp_path):
    alone = ModelFolder.open(Path(shutil.copytree(settled.path, tmp_path / "alone")))
    photo = prepared.photo_path(prepared.split("test")[0])
    assert Captioner(alone).caption(photo).text == Captioner(settled).caption(photo).text


@pytest.fixture(scope="module")
def not_kept(prepared, tmp_path_factory):
    """The folder of a run whose encoder got no better; nobody may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phases, "DevJudge", Judged((0.1, 0.2, 0.2, 0.15, 0.1)))
        return train_quietly(run_of(prepared, tmp_path_factory.mktemp("not-kept") / "run"))


def test_where_tuning_is_not_kept_the_model_is_the_one_it_began_with(not_kept, prepared):
    folder, lines = not_kept
    info, path = encoder_of(prepared)
    assert folder.encoder == info
    assert (folder.path / ENCODER_GRAPH).read_bytes() == path.read_bytes()
    assert {path.name for path in folder.path.iterdir()} - {BOARD} == {CONFIG, *FILES, LOG, CURVES}
    record = record_of(folder.path)
    assert record["best_epoch"] == 2 and not record["fine_tuning"]["is_kept"] and "settling" not in record
    assert record["dev_scores"]["num_photos"] == 4
    assert "dev has not improved on the settled model, which is the one that is kept" in lines


def test_where_tuning_is_not_kept_the_model_has_the_name_of_its_folder(not_kept):
    folder, _ = not_kept
    assert folder.name == "run"
    assert (folder.path / MODEL_CARD).read_text().startswith("# run\n")


def test_where_settling_does_not_help_the_decoder_is_the_tuned_one(prepared, tmp_path, monkeypatch):
    first, tuning, settling = (0.1, 0.2), (0.2, 0.3, 0.25), (0.3, 0.2)
    monkeypatch.setattr(phases, "DevJudge", Judged((*first, *tuning, *settling)))
    write_model, tuned = loop.write_model, {}

    def written(run, *rest):
        if run.settling is not None:
            tuned.update(weights_of(run.output_dir / TUNED))
        return write_model(run, *rest)

    monkeypatch.setattr(loop, "write_model", written)
    folder, _ = train_quietly(run_of(prepared, tmp_path / "run"))
    record = record_of(folder.path)
    assert (record["best_epoch"], record["fine_tuning"]["is_kept"]) == (3, True)
    assert (record["settling"]["best_epoch"], record["settling"]["is_kept"]) == (0, False)
    assert len(record["settling"]["history"]) == 1  # it stops after one that is no better
    for name, array in weights_of(folder.path).items():
        if "seed" not in name:  # how often dropout was drawn for
            np.testing.assert_array_equal(array, tuned[name], err_msg=name)


# going on


def test_a_run_interrupted_while_it_settles_goes_on_and_ends_as_if_unbroken(unfinished, without_dev, settled):
    assert (unfinished / TUNED).is_dir() and (unfinished / CHECKPOINT).exists()
    lines = train_quietly(run_of(without_dev, unfinished))[1]
    assert "going on after epoch 1 of 3" in lines
    assert_same_settled_end(unfinished, settled.path)


def test_a_run_interrupted_before_it_settles_goes_on_and_ends_as_if_unbroken(unfinished, without_dev, settled):
    (unfinished / CHECKPOINT).unlink()
    (unfinished / LOG).unlink()
    (unfinished / CURVES).unlink()
    train_quietly(run_of(without_dev, unfinished))
    assert_same_settled_end(unfinished, settled.path)


def test_a_run_interrupted_while_its_encoder_is_written_goes_on_and_ends_as_if_unbroken(
    without_dev, settled, tmp_path, monkeypatch
):
    run = run_of(without_dev, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finish, "export_integer_encoder", interrupt)
        train(run, True, Listener())
    assert not (run.output_dir / CHECKPOINT).exists()
    train_quietly(run)
    assert_same_settled_end(run.output_dir, settled.path)


def files_of(folder):
    """Every file with its content and time of change."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_is_left_as_it_is(settled, without_dev):
    before = files_of(settled.path)
    folder, lines = train_quietly(run_of(without_dev, settled.path))
    assert lines == [f"{settled.path} holds a finished model; --no-resume trains it anew"]
    assert folder.path == settled.path and files_of(settled.path) == before


@pytest.mark.parametrize("left", [[CONFIG], [LOG, MODEL_CARD], [".log.csv.0123abcd-99.part"], []])
def test_what_a_kill_left_of_the_first_part_is_removed(left, settled, without_dev, tmp_path):
    """Killed when the model was finished: nothing of it is learned again."""
    folder = Path(shutil.copytree(settled.path, tmp_path / "run"))
    (folder / TUNED).mkdir()
    for name in left:
        (folder / TUNED / name).write_text("{}")
    expected = files_of(settled.path).values()
    lines = train_quietly(run_of(without_dev, folder))[1]
    assert lines == [f"{folder} holds a finished model; --no-resume trains it anew"]
    assert not (folder / TUNED).exists()
    assert {content for content, _ in files_of(folder).values()} == {content for content, _ in expected}


def test_a_file_of_someone_else_inside_stays(settled, without_dev, tmp_path):
    folder = Path(shutil.copytree(settled.path, tmp_path / "run"))
    (folder / TUNED).mkdir()
    for name in (LOG, "notes.txt"):
        (folder / TUNED / name).write_text("mine")
    train_quietly(run_of(without_dev, folder))
    assert [path.name for path in (folder / TUNED).iterdir()] == ["notes.txt"]


def test_a_model_whose_copy_was_broken_off_is_copied_again(not_kept, prepared, tmp_path, monkeypatch):
    done, run = not_kept[0].path, run_of(prepared, tmp_path / "run")
    shutil.copytree(done, run.output_dir / TUNED)
    shutil.copyfile(done / LOG, run.output_dir / LOG)
    shutil.copyfile(done / DECODER_WEIGHTS, run.output_dir / DECODER_WEIGHTS)
    monkeypatch.setattr(loop, "_train_alone", lambda *_: pytest.fail("it is trained already"))
    train_quietly(run)
    assert not (run.output_dir / TUNED).exists()
    for path in done.iterdir():
        if path.is_file():
            assert (run.output_dir / path.name).read_bytes() == path.read_bytes(), path.name


# what is in the way


def test_a_finished_run_with_other_options_is_not_taken_for_this_one(settled, without_dev):
    before = files_of(settled.path)
    with pytest.raises(OptionsError) as found:
        train_quietly(run_of(without_dev, settled.path, learning_rate=1e-3))
    assert str(found.value).startswith(
        f"{settled.path}: holds a model finished with other options (learning_rate was 0.02 and is 0.001)"
    )
    assert files_of(settled.path) == before


def test_an_unfinished_run_with_other_options_is_not_mixed_with_this_one(unfinished, without_dev):
    before = files_of(unfinished)
    for changes in ({"learning_rate": 1e-3}, {"tuning": dataclasses.replace(TUNING, epochs=3)}, {"tuning": None}):
        with pytest.raises(OptionsError, match="other options"):
            train_quietly(run_of(without_dev, unfinished, **changes))
    assert files_of(unfinished) == before


def test_no_resume_begins_anew_and_touches_no_other_file(unfinished, without_dev, monkeypatch):
    for folder in (unfinished, unfinished / TUNED):
        (folder / "notes.txt").write_text("mine")
    monkeypatch.setattr(loop, "_train_alone", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(run_of(without_dev, unfinished), False, Listener())
    assert {str(path.relative_to(unfinished)) for path in unfinished.rglob("*") if path.is_file()} == {
        "notes.txt",
        f"{TUNED}/notes.txt",
    }


def test_no_resume_of_a_run_without_fine_tuning_leaves_a_model_of_that_name_alone(
    settled, without_dev, tmp_path, monkeypatch
):
    shutil.copytree(settled.path, tmp_path / TUNED)
    before = files_of(tmp_path / TUNED)
    monkeypatch.setattr(loop, "_train_alone", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(run_of(without_dev, tmp_path, tuning=None), False, Listener())
    assert files_of(tmp_path / TUNED) == before


@pytest.mark.parametrize("name", [CONFIG, MODEL_CARD, LOG, SAMPLES])
def test_a_file_of_someone_else_is_never_overwritten(name, without_dev, tmp_path):
    (tmp_path / name).write_text("{}")
    with pytest.raises(CaptionerError) as found:
        train_quietly(run_of(without_dev, tmp_path))
    assert str(found.value) == f"{tmp_path / name} would be overwritten; give another folder"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "{}")]


# from a model


def test_a_settled_model_is_tuned_further_from_its_own_encoder(settled, without_dev, tmp_path):
    eyes = Eyes.of(as_init(run_of(without_dev, tmp_path / "run"), settled))
    assert eyes.key == f"{settled.encoder.key}-block2"
    kept = arrays_of(settled.path / ENCODER_WEIGHTS).values()
    found = {(array.shape, array.astype(np.float32).tobytes()) for array in eyes.encoder.get_weights()}
    assert {(array.shape, array.astype(np.float32).tobytes()) for array in kept} == found


def test_a_settled_model_is_gone_on_from_with_features_of_its_own_encoder(settled, without_dev, tmp_path):
    run = as_init(run_of(without_dev, tmp_path / "run", tuning=None, epochs=1), settled)
    folder, _ = train_quietly(run)
    assert folder.encoder == settled.encoder and folder.network == NETWORK
    for file in (ENCODER_WEIGHTS, ENCODER_GRAPH):
        assert (folder.path / file).read_bytes() == (settled.path / file).read_bytes()
