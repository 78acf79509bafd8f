"""How long an epoch takes, measured in turn: a machine that is busy for a while slows all that is compared.

The seconds that trainings themselves took were taken one after the other, perhaps on different days, beside whatever
else the machine had to do then.
"""

import time
from collections.abc import Callable
from itertools import islice
from statistics import median

from captioner.model import build_network
from captioner.training import Run
from captioner.training.batches import Batch, TeacherForcing
from captioner.training.teacher_forcing import Trainer

_NUM_TURNS = 15
_WARM_UP_TURNS = 2  # not counted


def seconds_an_epoch(runs: dict[str, Run], num_turns: int = _NUM_TURNS) -> dict[str, float]:
    """By decoder: an epoch's tokens, times the median seconds a token of its training steps.

    In every turn each decoder learns from the same batch. What is learned is thrown away.
    """
    run = next(iter(runs.values()))
    examples, options = run.dataset.split("train"), run.training
    lessons = TeacherForcing(
        examples, *run.dataset.features_of(examples, run.encoder), run.tokenizer, options.max_tokens
    )
    steps = {decoder: _trainer(run, lessons).step for decoder, run in runs.items()}
    batches = list(islice(lessons.epoch(options.batch_size, options.seed, 1), num_turns))
    in_turn(steps, batches[:_WARM_UP_TURNS])
    return {decoder: lessons.num_tokens * median(each) for decoder, each in in_turn(steps, batches).items()}


def in_turn(steps: dict[str, Callable[[Batch], object]], batches: list[Batch]) -> dict[str, list[float]]:
    """Seconds a token of every step, each batch given to all of them before the next one is."""
    taken = {name: [] for name in steps}
    for batch in batches:
        for name, step in steps.items():
            started = time.perf_counter()
            step(batch)
            taken[name].append((time.perf_counter() - started) / float(batch.weights.sum()))
    return taken


def _trainer(run: Run, lessons: TeacherForcing) -> Trainer:
    network = build_network(run.network, len(run.tokenizer), run.encoder.num_regions, run.encoder.depth)
    return Trainer(network, run.training, lessons.num_steps(run.training.batch_size) * run.training.epochs)
