"""A run from its beginning to the model folder it ends in."""

import csv
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import keras

from captioner.decoder_weights import whole_decoder_weights
from captioner.errors import ModelError
from captioner.files import check_writable, make_folder, written_whole
from captioner.locks import claimed
from captioner.model import CaptionNetwork, build_network, check_growth, grown_network, load_weights
from captioner.model_folder import ModelFolder, is_model
from captioner.options import SettlingOptions
from captioner.outputs.figures import draw_learning_curves
from captioner.outputs.samples import draw_samples
from captioner.training.board import FOLDER as BOARD
from captioner.training.board import Board
from captioner.training.checkpoint import Progress, load_checkpoint
from captioner.training.devices import DEVICES, EveryDevice, OneDevice
from captioner.training.finish import copy_model, write_model
from captioner.training.phase import scores_text
from captioner.training.phases import first_phase, second_phase
from captioner.training.photos import encode_photos, encode_views
from captioner.training.run import CHECKPOINT, Listener, Run
from captioner.training.samples import DevSamples, Said
from captioner.training.seeing import Eyes, look_at_photos
from captioner.training.standing import CURVES, LOCK, LOG, OUTPUTS, SAMPLES, TUNED, check_nothing_else, is_finished


def train(run: Run, resume: bool, listener: Listener) -> ModelFolder:
    """The finished model. An interrupted run goes on from its checkpoint; a finished one is left as it is.

    A run is finished when its checkpoint is gone: one that was killed while its model was scored is scored again.
    Raises: OptionsError when an unfinished run with other options is in the way; ModelError when its checkpoint
    cannot be used; CaptionerError when the folder holds something else, cannot be written, or another process trains
    there.
    """
    with claimed(make_folder(run.output_dir) / LOCK, str(run.output_dir)):
        if not resume:
            _clear(run)
        return _tune_and_settle(run, listener) if run.ends_in_settling else _train_alone(run, listener)


def _tune_and_settle(run: Run, listener: Listener) -> ModelFolder:
    """A run in two: the encoder learns in float, in a folder inside; the decoder settles on what it gives in integers.

    What the first gave is removed when the second is finished.
    """
    tuning, tuned_dir = replace(run, output_dir=run.output_dir / TUNED), run.output_dir / TUNED
    has_ended = is_model(run.output_dir) and not run.checkpoint_path.exists()
    if (has_ended or not tuned_dir.exists()) and is_finished(run):
        _remove_tuned(run)  # of which a kill may have left something
        return _finished(run, listener)
    if not is_model(tuned_dir):
        check_nothing_else(run)
    tuned = ModelFolder.open(tuned_dir) if is_finished(tuning) else _train_alone(tuning, listener)
    if tuned.training["fine_tuning"]["is_kept"]:
        encoder = {"encoder": tuned.encoder, "encoder_graph_path": tuned.encoder_graph_path}
        second = {"fine_tuning": None, "self_critical": None, "settling": SettlingOptions()}
        folder = _train_alone(replace(run, init=tuned, part_of=run, **encoder, **second), listener)
    else:
        folder = copy_model(run, tuned, (LOG, CURVES, SAMPLES))
    _remove_tuned(run)
    return folder


def _finished(run: Run, listener: Listener) -> ModelFolder:
    listener.say(f"{run.output_dir} holds a finished model; --no-resume trains it anew")
    return ModelFolder.open(run.output_dir)


def _train_alone(run: Run, listener: Listener) -> ModelFolder:
    make_folder(run.output_dir)
    if is_finished(run):
        return _finished(run, listener)
    check_writable(run.output_dir)
    _check_init(run)

    if run.learns_from_features:
        if run.sees_as_init:
            encode_photos(run, listener)
        encode_views(run, listener)
    devices = DEVICES[run.devices]()
    if run.devices == "all":
        listener.say(f"training on {devices.count} device{'s' * (devices.count > 1)}")
    with devices.scope():
        return _trained(run, devices, listener)


def _trained(run: Run, devices: OneDevice | EveryDevice, listener: Listener) -> ModelFolder:
    eyes = None
    if run.fine_tuning is not None:  # first of all: what is missing for it shows before hours of training
        eyes = Eyes.of(run)
        look_at_photos(run, eyes, listener)
    keras.utils.set_random_seed(run.training.seed)
    network = _first_network(run)
    progress = _learn(run, network, eyes, devices, listener)
    folder = write_model(run, network, progress, eyes.encoder if eyes and progress.is_tuned else None, listener.say)
    run.checkpoint_path.unlink(missing_ok=True)
    return folder


def _learn(
    run: Run, network: CaptionNetwork, eyes: Eyes | None, devices: OneDevice | EveryDevice, listener: Listener
) -> Progress:
    """Trains the decoder, then with `eyes` both; network and eyes end up with the best weights."""
    state, progress = None, Progress()
    if run.checkpoint_path.exists():
        state, progress = load_checkpoint(run.checkpoint_path, run.identity())
    board, dev = Board(run.output_dir), DevSamples(run)

    def log(row: dict, said: list[Said]) -> None:
        before = [] if run.part_of is None else run.init.training["epochs"]
        history = [*before, *(row | {"epoch": len(before) + row["epoch"]} for row in progress.history)]
        _write_log(run.output_dir / LOG, history)
        draw_learning_curves(history, len(before) + progress.best_epoch, run.output_dir / CURVES)
        samples = dev.of(said, progress.samples)
        if samples:
            draw_samples(samples, run.output_dir / SAMPLES)
        board.add(row, samples)

    if "dev" not in run.dataset.splits:
        listener.say(f"no dev split: all {run.num_epochs} epochs are run, and the last one is kept")
    if not run.begins_settled and progress.settled is None:
        phase = first_phase(run, network, devices)
        if state is not None:
            phase.resume(state, progress, listener)
        phase.train(progress, listener, log)
    if run.has_second_phase:
        phase = second_phase(run, eyes, network, devices)
        if progress.settled is None:
            phase.settle(progress)
            listener.say(f"{_what_follows(run)} a decoder that has settled:{scores_text(progress.settled)}")
        else:
            phase.resume(state, progress, listener)
        phase.train(progress, listener, log)
        if not progress.is_tuned:
            listener.say("dev has not improved on the settled model, which is the one that is kept")
    return progress


def _what_follows(run: Run) -> str:
    if run.settling is not None:
        return "settling on the encoder in integers"
    how = "" if run.self_critical is None else ", self-critically,"
    return f"training{how}" if run.fine_tuning is None else f"fine-tuning the encoder{how} with"


def _check_init(run: Run) -> None:
    """Raises: ModelError, OptionsError when the model to go on from does not fit the run."""
    if run.init is None:
        return
    if run.init.encoder.key != run.encoder.key:
        raise ModelError(
            f"{run.init.path}: sees through {run.init.encoder.key}, but the dataset was prepared with {run.encoder.key}"
        )
    check_growth(run.init.network, run.network)


def _first_network(run: Run) -> CaptionNetwork:
    """The network that training begins with. Raises: ModelError when the weights of `run.init` do not fit."""
    grid = run.encoder.num_regions, run.encoder.depth
    if run.init is None:
        return build_network(run.network, len(run.tokenizer), *grid)
    source = build_network(run.init.network, run.init.vocabulary_size, *grid)
    with whole_decoder_weights(run.init.path) as path:
        load_weights(source, path)
    return grown_network(source, run.network, len(run.tokenizer))


def _clear(run: Run) -> None:
    """Removes an earlier run's files, finished or not, and nothing where there was no run."""
    folders = [run.output_dir / TUNED] if run.ends_in_settling else []
    if any(_holds_run(folder) for folder in (run.output_dir, *folders)):
        _remove_run(run.output_dir)
        _remove_tuned(run)


def _holds_run(folder: Path) -> bool:
    return (folder / CHECKPOINT).exists() or is_model(folder)


def _remove_run(folder: Path) -> None:
    # what tells that a run was here goes last, so that a removal broken off can be gone on with
    shutil.rmtree(folder / BOARD, ignore_errors=True)
    for name in (*OUTPUTS, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)


def _remove_tuned(run: Run) -> None:
    """Removes what the first part of the run left, and its folder unless somebody else keeps something there."""
    tuned_dir = run.output_dir / TUNED
    _remove_run(tuned_dir)
    for path in tuned_dir.glob(".*.part"):  # of a write that was broken off
        path.unlink(missing_ok=True)
    with suppress(OSError):  # not there, or not empty
        tuned_dir.rmdir()


def _write_log(path: Path, history: list[dict]) -> None:
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        names = dict.fromkeys(name for row in history for name in row)  # phases differ in what they measure
        rows = csv.DictWriter(file, list(names), lineterminator="\n")
        rows.writeheader()
        rows.writerows(history)
