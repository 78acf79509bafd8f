"""A run's checkpoint: everything needed to go on from any step, in one file written whole."""

import dataclasses
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from captioner.errors import ModelError, OptionsError
from captioner.files import written_whole

_IN_HEADER = ("losses", "epoch_seconds", "history", "seconds", "num_settled", "settled", "samples")

_ADDED_SINCE = {"num_settled": 0, "settled": None, "samples": ()}  # what is not in the checkpoints of older versions


@dataclass
class Progress:
    """Where a run stands, beside the state of its trainer."""

    losses: list[float] = dataclasses.field(default_factory=list)  # of the steps of the epoch under way
    epoch_seconds: float = 0.0  # spent on it
    history: list[dict] = dataclasses.field(default_factory=list)  # a row of log.csv an epoch
    best_weights: list[np.ndarray] = dataclasses.field(default_factory=list)  # averaged, of the best epoch
    seconds: float = 0.0
    num_settled: int = 0  # epochs of the decoder's own training, once fine-tuning has begun
    settled: dict | None = None  # what fine-tuning began with: the epoch it is from, 0 for a given model; dev scores
    samples: list[dict] = dataclasses.field(default_factory=list)  # what was said of the first dev photos, an epoch

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept: the first of the best dev CIDEr-D.

        The last one where dev says nothing: there is no dev split, or CIDEr-D is 0 throughout, as it always is
        for a single photo. From when fine-tuning has begun, what it began with is one of the candidates.
        """
        rows = ([] if self.settled is None else [self.settled]) + self.history[self.num_settled :]
        if not any(row.get("cider") for row in rows):
            return rows[-1]["epoch"] if rows else 0
        return max(rows, key=lambda row: row["cider"])["epoch"]

    @property
    def is_tuned(self) -> bool:
        """Whether the weights that are kept are fine-tuned ones."""
        return self.settled is not None and self.best_epoch > self.num_settled

    def settle(self, scores: dict, weights: list[np.ndarray]) -> None:
        """Fine-tuning begins, with weights that score so on dev."""
        self.settled = {"epoch": self.best_epoch} | scores
        self.num_settled = len(self.history)
        self.best_weights = weights

    def add(self, row: dict, averages: list[np.ndarray], captions: list[str]) -> None:
        """An epoch is over: its row of the log, the averaged weights it ended with, what was said of dev photos."""
        self.history.append(row)
        if captions:
            self.samples = [*self.samples, {"epoch": row["epoch"], "captions": captions}]
        self.losses, self.epoch_seconds = [], 0.0
        self.seconds += row["seconds"]
        if self.best_epoch == row["epoch"]:
            self.best_weights = averages


def save_checkpoint(path: Path, run: dict, state: list[np.ndarray], progress: Progress) -> None:
    """run: what must be the same for the run to go on (options, dataset), as JSON."""
    header = {"run": run} | {name: getattr(progress, name) for name in _IN_HEADER}
    arrays = {f"state_{i}": a for i, a in enumerate(state)}
    arrays |= {f"best_{i}": a for i, a in enumerate(progress.best_weights)}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def load_checkpoint(path: Path, run: dict) -> tuple[list[np.ndarray], Progress]:
    """The trainer's state and the progress.

    Raises: OptionsError when the run there was begun with other options or data; ModelError when it is unreadable.
    """
    with _opened(path, run) as (file, header):
        state = [file[name] for name in _numbered(file.files, "state_")]
        best = [file[name] for name in _numbered(file.files, "best_")]
    return state, Progress(best_weights=best, **header)


def check_checkpoint(path: Path, run: dict) -> None:
    """Raises: as `load_checkpoint`, by what the checkpoint says of itself; its weights are not read."""
    with _opened(path, run):
        pass


@contextmanager
def _opened(path: Path, run: dict):
    """The file of arrays, and the fields of `_IN_HEADER`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            header = _ADDED_SINCE | json.loads(file["header"].tobytes())
            begun, fields = header["run"], {name: header[name] for name in _IN_HEADER}
            changed = changed_options(begun, run)
            if changed:
                raise OptionsError(
                    f"{path.parent}: an unfinished run with other options is there ({changed});"
                    " give the same options to go on, --no-resume to begin anew, or another folder"
                )
            yield file, fields
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path}: not a checkpoint that can be read; begin anew with --no-resume") from error


def changed_options(before: dict, now: dict) -> str:
    """Every option that differs, with both its values; empty where none does."""
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return "; ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names)


def _numbered(names: list[str], prefix: str) -> list[str]:
    return sorted((n for n in names if n.startswith(prefix)), key=lambda n: int(n.removeprefix(prefix)))
