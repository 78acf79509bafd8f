"""A phase of a run: steps, epochs, checkpoints, until its epochs are over or dev has said so."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from captioner.errors import CaptionerError, ModelError
from captioner.training.batches import Batch, TeacherForcing
from captioner.training.checkpoint import Progress, save_checkpoint
from captioner.training.judge import DevJudge
from captioner.training.memory import peak_memory
from captioner.training.run import Listener, Run
from captioner.training.samples import Said
from captioner.training.selection import DevResult, num_epochs_without_progress
from captioner.training.teacher_forcing import Trainer

SECONDS_BETWEEN_CHECKPOINTS = 180


@dataclass(frozen=True)
class Phase:
    """A trainer with what it learns from and who judges it; the trainer's options are the phase's."""

    run: Run
    trainer: Trainer
    lessons: TeacherForcing
    judge: DevJudge

    def settle(self, progress: Progress) -> None:
        """What the network knows now is where the phase begins, and what its epochs are to surpass."""
        weights = [np.array(variable) for variable in self.trainer.network.trainable_variables]
        scores = self.judge.scores()
        progress.settle(scores, self._result(progress.best_epoch, scores), weights)
        self.save(progress)

    def resume(self, state: list[np.ndarray], progress: Progress, listener: Listener) -> None:
        """Puts the trainer where a checkpoint left it. Raises: ModelError when the state is of another network."""
        try:
            self.trainer.restore(state)
        except ValueError as error:
            path = self.run.checkpoint_path
            raise ModelError(f"{path}: does not fit this network; begin anew with --no-resume") from error
        within = f", step {len(progress.losses)} of the next" if progress.losses else ""
        listener.say(f"going on after epoch {len(progress.history)} of {self._last_epoch(progress)}{within}")

    def train(self, progress: Progress, listener: Listener, log: Callable[[dict, list[Said]], None]) -> None:
        """Trains from where the progress stands to the end; the network then holds the best weights.

        log: told each epoch's row, and what was said of the first dev photos, when the epoch is saved.
        """
        while not self._is_over(progress, listener):
            self._take_steps(progress, listener)
            row = self._end_epoch(progress)
            self.save(progress)
            log(row, self.judge.said)
            listener.say(_summary(row, self.trainer.measure, self._last_epoch(progress)))
        self.trainer.use_weights(progress.best_weights)

    def save(self, progress: Progress) -> None:
        save_checkpoint(self.run.checkpoint_path, self.run.identity(), self.trainer.state(), progress)

    def _last_epoch(self, progress: Progress) -> int:
        return progress.num_settled + self.trainer.options.epochs

    def _is_over(self, progress: Progress, listener: Listener) -> bool:
        if len(progress.history) >= self._last_epoch(progress):
            return True
        patience = self.trainer.options.patience
        if num_epochs_without_progress(progress.results) >= patience:
            epochs = "epoch" if patience == 1 else f"{patience} epochs"
            listener.say(f"neither dev loss nor dev CIDEr-D got better in the last {epochs}: stopping here")
            return True
        return False

    def _take_steps(self, progress: Progress, listener: Listener) -> None:
        """The steps of the epoch under way that were not taken yet, with a checkpoint every few minutes."""
        options, epoch = self.trainer.options, len(progress.history) + 1
        num_steps, num_done = self.lessons.num_steps(options.batch_size), len(progress.losses)
        batches = self.lessons.epoch(options.batch_size, options.seed, epoch, options.word_dropout, num_done)
        title = f"epoch {epoch}/{self._last_epoch(progress)}"
        batches, show = listener.progress(batches, num_done, num_steps, title, "steps")
        seconds_before, started = progress.epoch_seconds, time.monotonic()
        saved, num_tokens = started, 0.0
        for batch in batches:
            loss = self.trainer.step(batch)
            if not math.isfinite(loss):
                raise CaptionerError(self._not_finite(progress, batch))
            progress.losses.append(loss)
            num_tokens += np.count_nonzero(batch.weights)
            now = time.monotonic()
            progress.epoch_seconds = seconds_before + now - started
            recent = progress.losses[-50:]
            show({self.trainer.measure: sum(recent) / len(recent)}, num_tokens / (now - started))
            if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
                self.save(progress)
                saved = now

    def _end_epoch(self, progress: Progress) -> dict:
        """The epoch's row of the log, with what its averaged weights score on dev."""
        started = time.monotonic()
        row = {
            "epoch": len(progress.history) + 1,
            self.trainer.measure: sum(progress.losses) / len(progress.losses),
            "learning_rate": self.trainer.learning_rate,
        }
        current = self.trainer.use_averages()
        row |= self.judge.scores()
        averages = self.trainer.use_weights(current)
        row["training_seconds"] = round(progress.epoch_seconds, 1)
        row["seconds"] = round(progress.epoch_seconds + time.monotonic() - started, 1)
        if (memory := peak_memory()) is not None:
            row["peak_memory_mb"] = round(memory / 1e6)
        progress.add(row, self._result(row["epoch"], row), averages, [said.text for said in self.judge.said])
        return row

    def _result(self, epoch: int, scores: dict) -> DevResult:
        """What is compared when an epoch is chosen; self-critical training raises the reward at the loss's expense."""
        loss = scores.get("dev_loss") if self.trainer.measure == "loss" else None
        return DevResult(epoch, tuple(self.judge.photo_scores), loss)

    def _not_finite(self, progress: Progress, batch: Batch) -> str:
        """What to tell, and what to do, when a loss or a gradient is no number any more."""
        path = self.run.checkpoint_path
        where = f"the loss or its gradient is not finite at step {len(progress.losses) + 1}"
        where += f" of epoch {len(progress.history) + 1}, photos {', '.join(batch.images[:3])} and so on;"
        if not path.exists():
            return f"{where} there is no checkpoint yet: begin anew with a lower --learning-rate"
        return (
            f"{where} the last good checkpoint is {path}, after epoch {len(progress.history)};"
            " lower --learning-rate and begin anew with --no-resume"
        )


def _summary(row: dict, measure: str, num_epochs: int) -> str:
    learned = f"{measure} {row[measure]:.3f}"
    return f"epoch {row['epoch']}/{num_epochs}  {learned}{scores_text(row)}  {row['seconds']:.0f} s"


def scores_text(row: dict) -> str:
    return f"  dev BLEU-4 {row['bleu_4']:.3f}  CIDEr-D {row['cider']:.3f}" if "cider" in row else ""
