"""A run: what it leaves behind, how it goes on after any end, and what it refuses."""

import csv
import dataclasses
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ends import assert_same_end, record_of, spelled_out, weights_of
from nobody import as_nobody, open_folder

from captioner.errors import CaptionerError, ModelError, OptionsError
from captioner.inference import Captioner
from captioner.model_folder import CONFIG, FILES, MODEL_CARD, ModelFolder
from captioner.options import NetworkOptions
from captioner.outputs.figures import draw_learning_curves
from captioner.outputs.samples import draw_samples
from captioner.training import Listener, finish, loop, phase, phases, train
from captioner.training.board import FOLDER as BOARD
from captioner.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from captioner.training.dev_loss import TeacherForcedLoss
from captioner.training.loop import CURVES, LOG, SAMPLES
from captioner.training.run import CHECKPOINT
from captioner.training.selection import DevResult

EPOCHS = 4
LEARNING = {"epochs": EPOCHS, "batch_size": 4, "learning_rate": 2e-2, "label_smoothing": 0.0, "ema_decay": 0.5}
NUM_STEPS = 6  # of 4 drawings each


@pytest.fixture(scope="module")
def run_in(make_run):
    """A function `folder -> Run`, the same run in any folder; more options as for `make_run`."""
    return lambda folder, **changes: make_run(folder, **(LEARNING | changes))


class Lines(list):
    """A listener's lines, and an interruption after the one that begins as told."""

    def __init__(self, interrupt_after=None):
        super().__init__()
        self.interrupt_after = interrupt_after
        self.drawn = []  # samples, an epoch

    def say(self, line):
        self.append(line)
        if self.interrupt_after is not None and line.startswith(self.interrupt_after):
            raise KeyboardInterrupt

    @property
    def listener(self):
        return Listener(say=self.say)


@pytest.fixture(scope="module")
def unbroken(run_in, tmp_path_factory):
    """The folder of the run that nothing interrupts, and the lines it said, with the samples that were drawn; the one
    whose curves are drawn."""
    lines = Lines()

    def draw(samples, path):
        lines.drawn.append(samples)
        draw_samples(samples, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_learning_curves", draw_learning_curves)
        patch.setattr(loop, "draw_samples", draw)
        folder = train(run_in(tmp_path_factory.mktemp("unbroken") / "run"), True, lines.listener)
    return folder.path, lines


@pytest.fixture(scope="module")
def broken_off(run_in, tmp_path_factory):
    """The folder of the same run, interrupted after its second epoch; nobody may change it."""
    run = run_in(tmp_path_factory.mktemp("broken-off") / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, True, Lines("epoch 2/").listener)
    return run.output_dir


@pytest.fixture
def unfinished(broken_off, tmp_path):
    """A copy of the interrupted run to go on with."""
    return Path(shutil.copytree(broken_off, tmp_path / "run"))


def content_of(folder):
    """Every file with its content and time of change."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def refusal(kind, *arguments):
    """The one line with which `train` refuses."""
    with pytest.raises(kind) as caught:
        train(*arguments)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_loss_falls(unbroken):
    losses = [row["loss"] for row in record_of(unbroken[0])["epochs"]]
    assert len(losses) == EPOCHS
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.85 * losses[0]


def test_a_finished_run_is_a_model_with_its_log_and_curves_and_nothing_else(unbroken):
    folder, _ = unbroken
    assert {path.name for path in folder.iterdir()} == {CONFIG, *FILES, LOG, CURVES, SAMPLES, BOARD}
    assert (folder / CURVES).read_bytes().startswith(b"\x89PNG")
    assert ModelFolder.open(folder).name == "run"


def test_samples_show_what_was_said_after_every_epoch(unbroken, drawings_dataset):
    folder, lines = unbroken
    assert len(lines.drawn) == EPOCHS
    first, last = lines.drawn[0], lines.drawn[-1]
    for number, example in enumerate(drawings_dataset.split("dev")[:4]):
        sample = last[number]
        assert (sample.image, sample.references) == (example.image, example.captions)
        assert [epoch for epoch, _ in sample.history] == [1, 2, 3, 4]
        assert sample.history[:1] == first[number].history
        assert sample.history[-1][1] == "".join(sample.words)
        assert sample.attention is None
    assert (folder / SAMPLES).read_bytes().startswith(b"\x89PNG")


def test_tensorboard_shows_the_attention_of_dev_photos_after_every_epoch(tiny_model_dir, drawings_dataset):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tiny_model_dir / BOARD)).Reload()
    for example in drawings_dataset.split("dev")[:4]:
        shown = events.Tensors(f"attention/{example.image}")
        assert [event.step for event in shown] == [1, 2]
        assert all(event.tensor_proto.string_val[2].startswith(b"\x89PNG") for event in shown)


def test_a_checkpoint_of_an_older_version_is_refused_in_one_line(unfinished, run_in):
    path, identity = unfinished / CHECKPOINT, run_in(unfinished).identity()
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    assert [result["epoch"] for result in header.pop("results")] == [1, 2]
    np.savez(path, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    with pytest.raises(ModelError, match="not a checkpoint that can be read; begin anew with --no-resume"):
        load_checkpoint(path, identity)


def test_the_log_has_a_row_an_epoch(unbroken):
    with (unbroken[0] / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for row, recorded in zip(rows, record_of(unbroken[0])["epochs"], strict=True):
        assert {name: float(value) for name, value in row.items()} == recorded
    assert {"loss", "dev_loss", "learning_rate", "bleu_4", "cider", "seconds", "peak_memory_mb"} <= rows[0].keys()


def test_dev_loss_falls_as_the_loss_does(unbroken):
    losses = [row["dev_loss"] for row in record_of(unbroken[0])["epochs"]]
    assert losses == sorted(losses, reverse=True)


def test_asking_for_the_dev_loss_changes_nothing_that_is_learned(unbroken, run_in, tmp_path, monkeypatch):
    monkeypatch.setattr(TeacherForcedLoss, "__call__", lambda self: 0.0)
    assert_same_end(train(run_in(tmp_path / "run"), True, Listener()).path, unbroken[0])


def test_a_run_begun_before_dev_loss_was_logged_goes_on(unfinished, run_in, unbroken):
    run = dataclasses.replace(run_in(unfinished), output_dir=unfinished)
    state, progress = load_checkpoint(run.checkpoint_path, run.identity())
    for row in progress.history:
        del row["dev_loss"], row["peak_memory_mb"]
    save_checkpoint(run.checkpoint_path, run.identity(), state, progress)
    assert_same_end(train(run, True, Listener()).path, unbroken[0])
    assert ["dev_loss" in row for row in record_of(unfinished)["epochs"]] == [False, False, True, True]


def test_the_listener_hears_of_every_epoch(unbroken):
    assert [line.split()[1] for line in unbroken[1] if line.startswith("epoch")] == ["1/4", "2/4", "3/4", "4/4"]
    assert unbroken[1][-1].startswith("dev, beam 5: BLEU-4 ")


def test_the_record_says_what_it_takes_to_repeat_the_run(unbroken, run_in, drawings_dataset):
    record, run = record_of(unbroken[0]), run_in(unbroken[0])
    assert record["training"] == run.training.to_json()
    assert run.network.to_json().items() <= record["network"].items()
    assert record["dataset"]["counts"] == drawings_dataset.info["counts"]
    assert record["dev_scores"]["num_photos"] == 6
    assert {"python", "tensorflow", "keras"} <= record["versions"].keys()
    assert record["best_epoch"] in range(1, EPOCHS + 1)


def test_the_kept_weights_are_the_average_of_the_best_epoch(run_in, tmp_path, monkeypatch):
    """Scripted dev scores; what the network held while it was judged is remembered."""
    held, ciders = [], iter([0.1, 0.4, 0.3, 0.2])
    scores = {"bleu_1": 0.0, "bleu_4": 0.0, "rouge_l": 0.0}

    class Judge:
        def __init__(self, network, run, *_):
            self.network, self.said = network, []

        def scores(self):
            held.append([variable.numpy() for variable in self.network.trainable_variables])
            cider = next(ciders)
            self.photo_scores = [cider] * 6
            return scores | {"cider": cider}

    monkeypatch.setattr(phases, "DevJudge", Judge)
    lines = Lines()
    folder = train(run_in(tmp_path / "run", epochs=9, patience=2), True, lines.listener)
    assert "neither dev loss nor dev CIDEr-D got better in the last 2 epochs: stopping here" in lines
    assert len(held) == 4
    assert record_of(folder.path)["best_epoch"] == 2
    kept = sorted(weights_of(folder.path).values(), key=lambda a: (a.shape, a.tobytes()))
    best = sorted((a.astype(np.float16) for a in held[1]), key=lambda a: (a.shape, a.tobytes()))
    for ours, theirs in zip((a for a in kept if a.dtype == np.float16), best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_weights_of_the_epoch_that_is_kept_are_those_at_hand():
    progress = Progress()
    for epoch, cider in enumerate((0.1, 0.3, 0.2), start=1):
        row = {"epoch": epoch, "seconds": 1.5, "cider": cider}
        progress.add(row, DevResult(epoch, (cider, cider)), [np.array(epoch)], [])
    assert progress.best_epoch == 2 and progress.best_weights == [2]
    assert progress.seconds == 4.5


def test_a_finished_run_is_left_as_it_is(unbroken, run_in):
    folder, _ = unbroken
    before = content_of(folder)
    lines = Lines()
    assert train(run_in(folder), True, lines.listener).path == folder
    assert lines == [f"{folder} holds a finished model; --no-resume trains it anew"]
    assert content_of(folder) == before


def test_a_finished_run_with_other_options_is_not_taken_for_this_one(unbroken, run_in):
    line = refusal(OptionsError, run_in(unbroken[0], learning_rate=1e-3), True, Listener())
    assert line == (
        f"{unbroken[0]}: holds a model finished with other options (learning_rate was 0.02 and is 0.001);"
        " --no-resume trains it anew, or give another folder"
    )


def test_an_interrupted_run_is_no_model(broken_off):
    with pytest.raises(ModelError, match="so this is no finished model"):
        ModelFolder.open(broken_off)


@pytest.mark.parametrize(
    ("seconds_between_checkpoints", "first_line"),
    [(180, "going on after epoch 2 of 4"), (0, "going on after epoch 2 of 4, step 2 of the next")],
)
def test_a_run_interrupted_in_an_epoch_goes_on_from_its_checkpoint_and_ends_as_if_unbroken(
    seconds_between_checkpoints, first_line, tmp_path, unbroken, run_in, monkeypatch
):
    def progress(batches, done, total, title, unit):
        stop = 2 if title == "epoch 3/4" else None
        assert (done, total) == (0, NUM_STEPS)

        def some():
            yield from itertools.islice(batches, stop)
            if stop:
                raise KeyboardInterrupt

        return some(), lambda loss, tokens_per_second: None

    monkeypatch.setattr(phase, "SECONDS_BETWEEN_CHECKPOINTS", seconds_between_checkpoints)
    run = run_in(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, True, Listener(progress=progress))
    lines = Lines()
    train(run, True, lines.listener)
    assert lines[0] == first_line
    assert_same_end(run.output_dir, unbroken[0])


KILLED_RUN = """
import json, os, signal, sys
from pathlib import Path
from captioner.datasets import Dataset
from captioner.model_folder import EncoderInfo
from captioner.options import DecodingOptions, NetworkOptions, TrainingOptions
from captioner.training import Listener, Run, train

def say(line):
    if line.startswith("epoch 3/"):
        os.kill(os.getpid(), signal.SIGKILL)

given = json.loads(sys.argv[1])
train(
    Run(
        Dataset.open(Path(given["dataset"])), Path(given["output_dir"]), EncoderInfo(**given["encoder"]),
        Path(given["graph"]), NetworkOptions(**given["network"]), TrainingOptions(**given["training"]),
        DecodingOptions(),
    ),
    True,
    Listener(say=say),
)
"""


def test_a_killed_run_goes_on_in_another_process_and_ends_as_if_unbroken(tmp_path, unbroken, run_in):
    run = run_in(tmp_path / "run")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, json.dumps(spelled_out(run))], capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()[-500:]
    lines = Lines()
    train(run, True, lines.listener)
    assert lines[0] == "going on after epoch 3 of 4"
    assert_same_end(run.output_dir, unbroken[0])


def test_a_run_killed_while_its_model_is_scored_is_scored_again(unfinished, unbroken, run_in, monkeypatch):
    def interrupted(*_):
        assert (unfinished / CONFIG).exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finish, "caption_examples", interrupted)
        train(run_in(unfinished), True, Listener())
    lines = Lines()
    train(run_in(unfinished), True, lines.listener)
    assert lines[0] == "going on after epoch 4 of 4"
    assert record_of(unbroken[0])["dev_scores"]["cider"] > 0
    assert record_of(unfinished)["dev_scores"] == record_of(unbroken[0])["dev_scores"]
    assert_same_end(unfinished, unbroken[0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 1e-3}, "learning_rate was 0.02 and is 0.001"),
        ({"epochs": 5}, "epochs was 4 and is 5"),
        ({"seed": 1}, "seed was 0 and is 1"),
        (
            {"network": NetworkOptions("lstm", attention=False, units=32, embedding_dim=16, recurrent_dropout=0.0)},
            "decoder was 'rnn' and is 'lstm'",
        ),
    ],
)
def test_an_unfinished_run_with_other_options_is_not_mixed_with_this_one(changes, said, unfinished, run_in):
    before = (unfinished / CHECKPOINT).read_bytes()
    assert refusal(OptionsError, run_in(unfinished, **changes), True, Listener()) == (
        f"{unfinished}: an unfinished run with other options is there ({said});"
        " give the same options to go on, --no-resume to begin anew, or another folder"
    )
    assert (unfinished / CHECKPOINT).read_bytes() == before


def test_an_unfinished_run_with_other_data_is_not_mixed_with_this_one(unfinished, run_in, drawings_dataset, tmp_path):
    folder = Path(shutil.copytree(drawings_dataset.folder, tmp_path / "data"))
    captions = (folder / "captions.jsonl").read_text().replace(" a ", " one ")
    (folder / "captions.jsonl").write_text(captions)
    other = type(drawings_dataset).open(folder)
    line = refusal(OptionsError, run_in(unfinished, dataset=other), True, Listener())
    assert f"{unfinished}: an unfinished run with other options is there (captions was '" in line


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"junk", lambda content: content[:-100]])
def test_a_broken_checkpoint_is_named(damage, unfinished, run_in):
    path = unfinished / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    line = refusal(ModelError, run_in(unfinished), True, Listener())
    assert line == f"{path}: not a checkpoint that can be read; begin anew with --no-resume"


def test_a_checkpoint_of_another_network_is_named(unfinished, run_in):
    path = unfinished / CHECKPOINT
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "state_3"}
    np.savez(path, **arrays)
    line = refusal(ModelError, run_in(unfinished), True, Listener())
    assert line == f"{path}: does not fit this network; begin anew with --no-resume"


def test_no_resume_begins_anew_touches_no_other_file_and_is_itself_resumed(unfinished, unbroken, run_in):
    run = run_in(unfinished)
    notes = unfinished / "notes.txt"
    notes.write_text("mine")
    for name in (MODEL_CARD, CONFIG):  # as if the run that was there had been finished
        shutil.copy(unbroken[0] / name, unfinished)
    lines = Lines("epoch 1/")
    with pytest.raises(KeyboardInterrupt):
        train(run, False, lines.listener)
    assert lines[0].startswith("epoch 1/4")
    assert {path.name for path in unfinished.iterdir()} == {CHECKPOINT, LOG, CURVES, SAMPLES, BOARD, notes.name}
    train(run, True, Listener())
    assert notes.read_text() == "mine"
    notes.unlink()
    assert_same_end(unfinished, unbroken[0])


def test_no_resume_broken_off_before_its_first_epoch_leaves_the_way_free(unfinished, run_in, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "build_network", interrupted)
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            train(run_in(unfinished), resume, Listener())
    assert list(unfinished.iterdir()) == []


@pytest.mark.parametrize("name", [CONFIG, *FILES, LOG, CURVES, SAMPLES])
@pytest.mark.parametrize("resume", [True, False], ids=["resume", "no-resume"])
def test_a_file_of_someone_else_is_never_overwritten(name, resume, tmp_path, run_in):
    (tmp_path / name).write_text("{}")
    line = refusal(CaptionerError, run_in(tmp_path), resume, Listener())
    assert line == f"{tmp_path / name} would be overwritten; give another folder"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "{}")]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, run_in):
    (tmp_path / "file").write_text("")
    line = refusal(CaptionerError, run_in(tmp_path / "file" / "run"), True, Listener())
    assert line.startswith(f"{tmp_path / 'file' / 'run'}: cannot be made (")


@pytest.fixture(scope="module")
def without_dev(run_in, drawings_dataset, tmp_path_factory):
    """A model trained in the folder at hand, on a dataset that has no dev split, and the lines it said."""
    folder, lines = tmp_path_factory.mktemp("without-dev") / "mine", Lines()
    folder.mkdir()
    only_train = tuple(example for example in drawings_dataset.examples if example.split == "train")
    dataset = dataclasses.replace(drawings_dataset, examples=only_train)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(run_in(Path("."), dataset=dataset, epochs=3, patience=1), True, lines.listener)
    return folder, lines


def test_without_a_dev_split_all_epochs_are_run_and_the_last_is_kept(without_dev, drawings_dataset):
    folder, lines = without_dev
    record = record_of(folder)
    assert lines[0] == "no dev split: all 3 epochs are run, and the last one is kept"
    assert (len(record["epochs"]), record["best_epoch"]) == (3, 3)
    assert "dev_scores" not in record
    assert "There was no dev split to score." in (folder / MODEL_CARD).read_text()
    photo = drawings_dataset.photo_path(drawings_dataset.split("test")[0])
    assert Captioner.load(folder).caption(photo).text


def test_a_model_in_the_folder_at_hand_has_that_folder_s_name(without_dev):
    assert ModelFolder.open(without_dev[0]).name == "mine"
    assert (without_dev[0] / MODEL_CARD).read_text().startswith("# mine\n")


def test_a_loss_that_is_no_number_stops_the_run_with_a_plain_line(tmp_path, run_in):
    line = refusal(CaptionerError, run_in(tmp_path / "run", learning_rate=1e38), True, Listener())
    assert line.startswith("the loss or its gradient is not finite at step ")
    assert " of epoch 1, photos train/0" in line
    assert line.endswith("there is no checkpoint yet: begin anew with a lower --learning-rate")


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(unfinished, run_in, monkeypatch):
    monkeypatch.setattr(phase.Trainer, "step", lambda *_: float("nan"))
    line = refusal(CaptionerError, run_in(unfinished), True, Listener())
    assert "not finite at step 1 of epoch 3" in line
    assert f"the last good checkpoint is {unfinished / CHECKPOINT}, after epoch 2; lower --learning-rate" in line


def test_a_run_that_goes_on_from_a_model_keeps_its_words_and_adds_the_new_ones(
    unbroken, run_in, drawings_dataset, tmp_path
):
    folder = Path(shutil.copytree(drawings_dataset.folder, tmp_path / "data"))
    tokens = (folder / "vocabulary.txt").read_text().splitlines()
    (folder / "vocabulary.txt").write_text("\n".join([*tokens[:4], "brandnew", *reversed(tokens[4:])]) + "\n")
    source = ModelFolder.open(unbroken[0])
    run = run_in(tmp_path / "more", dataset=type(drawings_dataset).open(folder), epochs=1, learning_rate=1e-8)
    model = train(dataclasses.replace(run, init=source), True, Listener())
    assert model.tokenizer.tokens == (*source.tokenizer.tokens, "brandnew")
    assert record_of(model.path)["init"] == source.name
    photo = drawings_dataset.photo_path(drawings_dataset.split("test")[0])
    known, grown = Captioner.load(source.path).caption(photo), Captioner.load(model.path).caption(photo)
    assert grown.text == known.text  # hardly a step was taken, and what was learned before is still there


def test_a_model_of_another_shape_cannot_be_gone_on_from(unbroken, run_in, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "encode_views", lambda *arguments: pytest.fail("photos were encoded first"))
    network = NetworkOptions("rnn", attention=False, units=48, embedding_dim=16)
    run = dataclasses.replace(run_in(tmp_path / "run", network=network), init=ModelFolder.open(unbroken[0]))
    assert refusal(OptionsError, run, True, Listener()) == "the model to go on from has units 32, not 48"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_done(run_in, monkeypatch):
    monkeypatch.setattr(loop, "encode_views", lambda *arguments: pytest.fail("photos were encoded first"))
    with open_folder() as folder:
        folder.chmod(0o555)
        with as_nobody():
            said = refusal(CaptionerError, run_in(folder), True, Listener())
    assert said == f"{folder}: cannot be written (Permission denied)"
