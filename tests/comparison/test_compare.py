"""The whole comparison at its smallest: one decoder finished, one broken off, the rest is the command's."""

import json
import re

import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.comparison.plan import FIGURE, PAGE, REPORT
from captioner.model_folder import DECODER_WEIGHTS, ModelFolder
from captioner.options import NetworkOptions
from captioner.training import Listener, train
from captioner.training.run import CHECKPOINT

OPTIONS = ["--decoders", "rnn,lstm", "--units", "16", "--embedding-dim", "8", "--epochs", "2", "--batch-size", "8"]
OPTIONS += ["--learning-rate", "0.01", "--no-mirror", "--no-attention"]


def run_of(make_run, folder, decoder):
    """As the command of those options runs it."""
    network = NetworkOptions(decoder, attention=False, units=16, embedding_dim=8)
    return make_run(folder / decoder, network=network, epochs=2, batch_size=8, learning_rate=0.01)


def stop_after_the_first_epoch(line):
    if line.startswith("epoch 1/"):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def begun(make_run, tmp_path_factory):
    """A folder of a comparison whose RNN is finished, and whose LSTM was broken off after an epoch."""
    folder = tmp_path_factory.mktemp("compared") / "here"
    train(run_of(make_run, folder, "rnn"), True, Listener())
    with pytest.raises(KeyboardInterrupt):
        train(run_of(make_run, folder, "lstm"), True, Listener(say=stop_after_the_first_epoch))
    return folder


@pytest.fixture(scope="module")
def photo(drawings_dataset):
    return drawings_dataset.photo_path(drawings_dataset.split("test")[0])


@pytest.fixture(scope="module")
def compared(begun, drawings_dataset, photo):
    """The folder that the command was called upon, what it printed, and the RNN's weights as they were before."""
    before = (begun / "rnn" / DECODER_WEIGHTS).stat().st_mtime_ns
    assert (begun / "lstm" / CHECKPOINT).exists()
    command = ["compare", str(drawings_dataset.folder), str(begun), *OPTIONS, "--photos", str(photo)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return begun, done, before


@pytest.fixture(scope="module")
def report(compared):
    return json.loads((compared[0] / REPORT).read_text(encoding="utf-8"))


def test_what_was_finished_is_not_trained_again_and_what_was_broken_off_is(compared):
    folder, done, before = compared
    assert (folder / "rnn" / DECODER_WEIGHTS).stat().st_mtime_ns == before
    assert re.findall(r"^captioner train --decoder (\w+)", done.stderr, re.MULTILINE) == ["lstm"]
    assert f"{folder / 'rnn'} holds a finished model" in done.stderr
    assert [row["epoch"] for row in ModelFolder.open(folder / "lstm").training["epochs"]] == [1, 2]
    assert not (folder / "lstm" / CHECKPOINT).exists()


def test_it_leaves_two_models_a_page_its_figures_and_a_picture(compared):
    folder, _, _ = compared
    assert {path.name for path in folder.iterdir()} == {"rnn", "lstm", PAGE, REPORT, FIGURE}
    assert (folder / FIGURE).read_bytes().startswith(b"\x89PNG")


def test_it_prints_what_was_found_and_nothing_else(compared):
    folder, done, _ = compared
    *sentences, last = done.stdout.splitlines()
    assert last == f"comparison: {folder / PAGE}"
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert sentences and all(f"- {sentence}\n" in page for sentence in sentences)


def test_everything_is_measured_of_each(report, drawings_dataset):
    assert list(report["decoders"]) == ["rnn", "lstm"]
    for decoder, facts in report["decoders"].items():
        assert [row["epoch"] for row in facts["epochs"]] == [1, 2]
        assert facts["parameters"] > 0
        assert {split: scores["num_photos"] for split, scores in facts["scores"].items()} == {"dev": 6, "test": 6}
        assert 0 < facts["dev_loss"] < 5
        assert 0 < facts["seconds_per_epoch"]["low"] <= facts["seconds_per_epoch"]["high"]
        assert facts["peak_memory_mb"] > 100
        assert facts["training_seconds"] == [row["training_seconds"] for row in facts["epochs"]]
        for when in ("trained", "initial"):
            carried = facts["gradient"][when]
            assert list(carried) == (["hidden", "memory"] if decoder == "lstm" else ["hidden"])
            for measured in carried.values():
                assert measured["share"][0] == pytest.approx(1) and min(measured["norm"]) > 0
    assert report["dataset"]["vocabulary_size"] == len(drawings_dataset.tokenizer)


def test_the_dev_loss_of_the_model_is_that_of_the_epoch_it_kept(report):
    for facts in report["decoders"].values():
        kept = next(row for row in facts["epochs"] if row["epoch"] == facts["best_epoch"])
        assert facts["dev_loss"] == pytest.approx(kept["dev_loss"], abs=2e-3)  # the folder's weights are rounded


def test_training_changed_the_gradient_it_began_with(report):
    for facts in report["decoders"].values():
        assert facts["gradient"]["trained"] != facts["gradient"]["initial"]


def test_each_two_are_compared_on_the_same_photos(report):
    for split in ("dev", "test"):
        (pair,) = report["differences"][split]
        assert (pair["one"], pair["other"]) == ("rnn", "lstm")
        for name, found in pair["scores"].items():
            one, other = (report["decoders"][decoder]["scores"][split][name] for decoder in ("rnn", "lstm"))
            assert found["difference"] == pytest.approx(one - other, abs=1e-8)


def test_both_caption_the_photo_that_was_given(report, compared, photo):
    (entry,) = report["captions"]
    assert entry["photo"] == photo.name and (compared[0] / entry["path"]).resolve() == photo.resolve()
    page = (compared[0] / PAGE).read_text(encoding="utf-8")
    for text in entry["captions"].values():
        assert f" {text} |" in page


def test_a_second_time_nothing_is_trained(compared, drawings_dataset, monkeypatch):
    folder, _, _ = compared
    monkeypatch.setattr("captioner.cli.compare._measured", lambda *_: ["measured"])
    done = CliRunner().invoke(main, ["compare", str(drawings_dataset.folder), str(folder), *OPTIONS])
    assert done.stdout.splitlines()[0] == "measured"
    assert "captioner train" not in done.stderr


def test_other_options_than_those_of_a_run_that_is_there_are_refused(compared, drawings_dataset):
    folder, _, _ = compared
    done = CliRunner().invoke(main, ["compare", str(drawings_dataset.folder), str(folder), *OPTIONS, "--seed", "1"])
    assert done.exit_code == 2
    assert "holds a model finished with other options (seed was 0 and is 1)" in done.stderr
    assert "captioner train" not in done.stderr
