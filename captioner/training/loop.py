"""The training loop: epochs, checkpoints, the best weights, the model folder."""

import csv
import math
import time
from dataclasses import replace
from pathlib import Path

import keras

from captioner.errors import CaptionerError, ModelError, OptionsError
from captioner.files import make_folder, written_whole
from captioner.model import CaptionNetwork, build_network, grown_network, load_decoder_weights
from captioner.model_folder import CONFIG, DECODER_WEIGHTS, FILES, ModelFolder, is_model
from captioner.outputs.figures import draw_learning_curves
from captioner.training.batches import Batch, TeacherForcing
from captioner.training.board import Board
from captioner.training.checkpoint import Progress, changed_options, load_checkpoint, save_checkpoint
from captioner.training.finish import write_model
from captioner.training.judge import DevJudge
from captioner.training.run import Listener, Run
from captioner.training.teacher_forcing import Trainer

CHECKPOINT = "checkpoint.npz"
LOG = "log.csv"
CURVES = "learning_curves.png"
_OUTPUTS = (LOG, CURVES, *FILES, CONFIG)
SECONDS_BETWEEN_CHECKPOINTS = 180
_DEV_BEAM_SIZE = 3  # between epochs; the finished model is scored with its own beam


def train(run: Run, resume: bool, listener: Listener) -> ModelFolder:
    """The finished model. An interrupted run goes on from its checkpoint; a finished one is left as it is.

    A run is finished when its checkpoint is gone: one that was killed while its model was scored is scored again.
    Raises: OptionsError when an unfinished run with other options is in the way; ModelError when its checkpoint
    cannot be used; CaptionerError when the folder holds something else, or cannot be written.
    """
    make_folder(run.output_dir)
    checkpoint_path = run.output_dir / CHECKPOINT
    if not resume:
        _clear(run.output_dir)
    elif not checkpoint_path.exists() and is_model(run.output_dir):
        return _finished_model(run, listener)
    if not checkpoint_path.exists():
        for name in _OUTPUTS:
            if (run.output_dir / name).exists():
                raise CaptionerError(f"{run.output_dir / name} would be overwritten; give another folder")

    keras.utils.set_random_seed(run.training.seed)
    network = _first_network(run)
    examples = run.dataset.split("train")
    features, rows = run.dataset.features_of(examples, run.encoder)
    lessons = TeacherForcing(examples, features, rows, run.tokenizer, run.training.max_tokens)
    trainer = Trainer(network, run.training, lessons.num_steps(run.training.batch_size) * run.training.epochs)
    judge = DevJudge(network, run, replace(run.decoding, beam_size=_DEV_BEAM_SIZE))
    board = Board(run, judge.examples)
    if not judge.examples:
        listener.say(f"no dev split: all {run.training.epochs} epochs are run, and the last one is kept")
    progress = Progress()
    if checkpoint_path.exists():
        state, progress = load_checkpoint(checkpoint_path, run.identity())
        try:
            trainer.restore(state)
        except ValueError as error:
            raise ModelError(f"{checkpoint_path}: does not fit this network; begin anew with --no-resume") from error
        within = f", step {len(progress.losses)} of the next" if progress.losses else ""
        listener.say(f"going on after epoch {len(progress.history)} of {run.training.epochs}{within}")

    def save() -> None:
        save_checkpoint(checkpoint_path, run.identity(), trainer.state(), progress)

    while not _is_over(progress, run, listener):
        _take_steps(run, trainer, lessons, progress, listener, save)
        row = _end_epoch(trainer, judge, progress)
        save()
        _write_log(run.output_dir / LOG, progress.history)
        draw_learning_curves(progress.history, run.output_dir / CURVES)
        board.add(row, judge.captions)
        listener.say(_summary(row, run.training.epochs))

    trainer.use_weights(progress.best_weights)
    folder = write_model(run, network, progress, listener.say)
    checkpoint_path.unlink(missing_ok=True)
    return folder


def _finished_model(run: Run, listener: Listener) -> ModelFolder:
    """The model that is there. Raises: OptionsError when it was trained with other options than are asked for now."""
    folder = ModelFolder.open(run.output_dir)
    changed = changed_options(folder.training.get("run", run.identity()), run.identity())
    if changed:
        raise OptionsError(
            f"{run.output_dir}: holds a model finished with other options ({changed});"
            " --no-resume trains it anew, or give another folder"
        )
    listener.say(f"{run.output_dir} holds a finished model; --no-resume trains it anew")
    return folder


def _first_network(run: Run) -> CaptionNetwork:
    """The network that training begins with. Raises: ModelError, OptionsError when `run.init` does not fit the run."""
    grid = run.encoder.num_regions, run.encoder.depth
    if run.init is None:
        return build_network(run.network, len(run.tokenizer), *grid)
    if run.init.encoder.key != run.encoder.key:
        raise ModelError(
            f"{run.init.path}: sees through {run.init.encoder.key}, but the dataset was prepared with {run.encoder.key}"
        )
    source = build_network(run.init.network, run.init.vocabulary_size, *grid)
    load_decoder_weights(source, run.init.path / DECODER_WEIGHTS)
    return grown_network(source, run.network, len(run.tokenizer))


def _clear(folder: Path) -> None:
    """Removes an earlier run's files, finished or not, and nothing where there was no run."""
    if (folder / CHECKPOINT).exists() or is_model(folder):
        # what tells that a run was here goes last, so that a removal broken off can be gone on with
        for name in (*_OUTPUTS, CHECKPOINT):
            (folder / name).unlink(missing_ok=True)


def _is_over(progress: Progress, run: Run, listener: Listener) -> bool:
    num_epochs = len(progress.history)
    if num_epochs >= run.training.epochs:
        return True
    if num_epochs and num_epochs - progress.best_epoch >= run.training.patience:
        listener.say(f"dev CIDEr-D has not risen for {run.training.patience} epochs: stopping here")
        return True
    return False


def _take_steps(run: Run, trainer: Trainer, lessons: TeacherForcing, progress: Progress, listener, save) -> None:
    """The steps of the epoch under way that were not taken yet, with a checkpoint every few minutes."""
    options, epoch = run.training, len(progress.history) + 1
    num_steps, num_done = lessons.num_steps(options.batch_size), len(progress.losses)
    batches = lessons.epoch(options.batch_size, options.seed, epoch, options.word_dropout, num_done)
    batches, show = listener.progress(batches, num_done, num_steps, f"epoch {epoch}/{options.epochs}")
    seconds_before, started = progress.epoch_seconds, time.monotonic()
    saved, num_tokens = started, 0.0
    for batch in batches:
        loss = trainer.step(batch)
        if not math.isfinite(loss):
            raise CaptionerError(_not_finite(run.output_dir / CHECKPOINT, progress, batch))
        progress.losses.append(loss)
        num_tokens += batch.weights.sum()
        now = time.monotonic()
        progress.epoch_seconds = seconds_before + now - started
        show(sum(progress.losses[-50:]) / len(progress.losses[-50:]), num_tokens / (now - started))
        if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
            save()
            saved = now


def _end_epoch(trainer: Trainer, judge: DevJudge, progress: Progress) -> dict:
    """The epoch's row of the log, with what its averaged weights score on dev."""
    started = time.monotonic()
    row = {
        "epoch": len(progress.history) + 1,
        "loss": sum(progress.losses) / len(progress.losses),
        "learning_rate": trainer.learning_rate,
    }
    current = trainer.use_averages()
    row |= judge.scores()
    averages = trainer.use_weights(current)
    row["training_seconds"] = round(progress.epoch_seconds, 1)
    row["seconds"] = round(progress.epoch_seconds + time.monotonic() - started, 1)
    progress.add(row, averages)
    return row


def _not_finite(checkpoint_path: Path, progress: Progress, batch: Batch) -> str:
    """What to tell, and what to do, when a loss or a gradient is no number any more."""
    where = f"the loss or its gradient is not finite at step {len(progress.losses) + 1}"
    where += f" of epoch {len(progress.history) + 1}, photos {', '.join(batch.images[:3])} and so on;"
    if not checkpoint_path.exists():
        return f"{where} there is no checkpoint yet: begin anew with a lower --learning-rate"
    return (
        f"{where} the last good checkpoint is {checkpoint_path}, after epoch {len(progress.history)};"
        " lower --learning-rate and begin anew with --no-resume"
    )


def _summary(row: dict, num_epochs: int) -> str:
    scores = f"  dev BLEU-4 {row['bleu_4']:.3f}  CIDEr-D {row['cider']:.3f}" if "cider" in row else ""
    return f"epoch {row['epoch']}/{num_epochs}  loss {row['loss']:.3f}{scores}  {row['seconds']:.0f} s"


def _write_log(path: Path, history: list[dict]) -> None:
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(history)
