"""How long an epoch takes, measured in turn, so that whatever else the machine does slows all that is compared.

The seconds that trainings themselves took were taken one after the other, perhaps on different days, beside other work.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from captioner.model import build_network
from captioner.training import Run
from captioner.training.batches import Batch, TeacherForcing
from captioner.training.teacher_forcing import Trainer

_NUM_BATCHES = 4
_NUM_TURNS = 10


@dataclass(frozen=True)
class Speed:
    """Seconds an epoch: by the quicker half of what was measured and by the other, as far apart as chance took them."""

    low: float
    high: float


def seconds_an_epoch(runs: dict[str, Run]) -> dict[str, Speed]:
    """By decoder, from its quickest steps on a few batches. What is learned is thrown away."""
    run = next(iter(runs.values()))
    examples, options = run.dataset.split("train"), run.training
    lessons = TeacherForcing(
        examples, *run.dataset.features_of(examples, run.encoder), run.tokenizer, options.max_tokens
    )
    steps = {decoder: _trainer(run, lessons).step for decoder, run in runs.items()}
    batches = list(islice(lessons.epoch(options.batch_size, options.seed, 1), _NUM_BATCHES))
    in_turn(steps, batches[:1], 1)  # the first is slow
    num_tokens = sum(float(batch.weights.sum()) for batch in batches)
    taken = in_turn(steps, batches, _NUM_TURNS)
    return {decoder: speed_of(seconds, lessons.num_tokens / num_tokens) for decoder, seconds in taken.items()}


def in_turn(steps: dict[str, Callable[[Batch], object]], batches: list[Batch], num_turns: int) -> dict[str, np.ndarray]:
    """Seconds of every step, (turns, batches) by name, each batch given to all of them before the next one is."""
    taken = {name: np.empty((num_turns, len(batches))) for name in steps}
    for turn in range(num_turns):
        for place, batch in enumerate(batches):
            for name, step in steps.items():
                started = time.perf_counter()
                step(batch)
                taken[name][turn, place] = time.perf_counter() - started
    return taken


def speed_of(seconds: np.ndarray, batches_an_epoch: float) -> Speed:
    """From (turns, batches), two turns or more: of every batch the quickest step counts, which was disturbed least.

    Every second turn by itself gives one of the two bounds, the turns between them the other.
    """
    halves = [batches_an_epoch * half.min(axis=0).sum() for half in (seconds[::2], seconds[1::2])]
    return Speed(float(min(halves)), float(max(halves)))


def _trainer(run: Run, lessons: TeacherForcing) -> Trainer:
    network = build_network(run.network, len(run.tokenizer), run.encoder.num_regions, run.encoder.depth)
    return Trainer(network, run.training, lessons.num_steps(run.training.batch_size) * run.training.epochs)
