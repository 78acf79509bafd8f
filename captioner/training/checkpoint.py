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
from captioner.training.selection import DevResult, select

_IN_HEADER = ("losses", "epoch_seconds", "history", "seconds", "num_settled", "settled", "samples", "results")


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
    results: list[DevResult] = dataclasses.field(default_factory=list)  # of this phase, and of what it began with

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept, 0 before the first; in a second phase perhaps what it began with."""
        return select(self.results).epoch if self.results else 0

    @property
    def is_tuned(self) -> bool:
        """Whether the weights that are kept are fine-tuned ones."""
        return self.settled is not None and self.best_epoch > self.num_settled

    def settle(self, scores: dict, result: DevResult, weights: list[np.ndarray]) -> None:
        """The second phase begins, with weights that score so on dev."""
        self.settled = {"epoch": result.epoch} | scores
        self.num_settled = len(self.history)
        self.results, self.best_weights = [result], weights

    def add(self, row: dict, result: DevResult, averages: list[np.ndarray], captions: list[str]) -> None:
        """An epoch is over: its row of the log, its averaged weights and what they reached and said on dev."""
        self.history.append(row)
        self.results = [*self.results, result]
        if captions:
            self.samples = [*self.samples, {"epoch": row["epoch"], "captions": captions}]
        self.losses, self.epoch_seconds = [], 0.0
        self.seconds += row["seconds"]
        if self.best_epoch == row["epoch"]:
            self.best_weights = averages


def save_checkpoint(path: Path, run: dict, state: list[np.ndarray], progress: Progress) -> None:
    """run: what must be the same for the run to go on (options, dataset), as JSON."""
    header = {"run": run} | {name: getattr(progress, name) for name in _IN_HEADER}
    header["results"] = [dataclasses.asdict(result) for result in progress.results]
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
            header = json.loads(file["header"].tobytes())
            begun, fields = header["run"], {name: header[name] for name in _IN_HEADER}
            fields["results"] = [DevResult(**result) for result in fields["results"]]
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
