"""How long an epoch of training takes beside a plain loop over the same network, and how it grows with the captions.

`train-speed` climbs from the plain loop to the trainer a rung at a time. Every rung and size has a process of its own.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import chain, count, cycle, islice
from pathlib import Path
from statistics import median

WARM_UP_STEPS = 5
DECODERS = {
    f"{decoder}{' with attention' if attention else ''}": {"decoder": decoder, "attention": attention}
    for decoder in ("rnn", "lstm", "gru")
    for attention in (True, False)
}
SIZES = (3_000, 30_000, 300_000)  # captions


@dataclass(frozen=True)
class Rung:
    """What is measured: by default the trainer as it ships."""

    adds: str
    step: str = "trainer"  # of STEPS
    is_sorted: bool = True
    settings: tuple[tuple[str, str], ...] = ()  # environment variables


WITHOUT_ONEDNN = (("TF_ENABLE_ONEDNN_OPTS", "0"),)
# Each adds to the one before, from the plain loop to the trainer as it ships; the last is beside the ladder.
RUNGS = {
    "plain loop": Rung("Keras's layers, Adam and averages in a compiled graph", "plain", False, WITHOUT_ONEDNN),
    "lengths": Rung("photos with captions of like length share a step", "plain", True, WITHOUT_ONEDNN),
    "no padding": Rung(
        "only spoken positions are computed; inputs are multiplied ahead of the loop over time, the gradient of the"
        " recurrent kernel after it",
        "packed",
        True,
        WITHOUT_ONEDNN,
    ),
    "one pass": Rung(
        "the loss's gradient written down, Adam in one operation, averages moved every fourth step",
        settings=WITHOUT_ONEDNN,
    ),
    "oneDNN": Rung("oneDNN's matrix products, which TensorFlow leaves off where a processor has no AVX-512"),
    "plain loop, oneDNN": Rung("to compare: the plain loop with oneDNN's matrix products alone", "plain", False),
}


def train_speed(data_dir: Path, num_steps: int, turns: int) -> dict:
    """Seconds an epoch on every rung, all rungs in turn: its tokens over the tokens a second of some steps."""
    settings = {name: rung.settings for name, rung in RUNGS.items()}
    seconds = _in_turn("one-rung", data_dir, settings, num_steps, turns)
    plain = median(seconds["plain loop"])
    return {
        name: {
            "adds": RUNGS[name].adds,
            "seconds_an_epoch": round(median(measured), 1),
            "of_the_plain_loop": round(median(measured) / plain, 3),
            "every_turn": measured,
        }
        for name, measured in seconds.items()
    }


def train_growth(data_dir: Path) -> dict:
    """Seconds and peak memory of whole epochs over the dataset's captions, cut or repeated to SIZES of them."""
    return {size: _in_a_process("one-size", data_dir, str(size), 0) for size in SIZES}


def decoder_speed(data_dir: Path, num_steps: int, turns: int) -> dict:
    """Seconds an epoch of each of the six decoders, all in turn, as the trainer ships."""
    seconds = _in_turn("one-decoder", data_dir, dict.fromkeys(DECODERS, ()), num_steps, turns)
    return {
        name: {"seconds_an_epoch": round(median(measured), 1), "every_turn": measured}
        for name, measured in seconds.items()
    }


def one_rung(data_dir: Path, name: str, num_steps: int) -> float:
    """Seconds an epoch, measured in this process."""
    rung = RUNGS[name]
    lessons = _Lessons(data_dir, is_sorted=rung.is_sorted)
    return _seconds_an_epoch(lessons, STEPS[rung.step](lessons), num_steps)


def one_decoder(data_dir: Path, name: str, num_steps: int) -> float:
    lessons = _Lessons(data_dir)
    return _seconds_an_epoch(lessons, _trainer_step(lessons, **DECODERS[name]), num_steps)


def _seconds_an_epoch(lessons, step, num_steps: int) -> float:
    batches = lessons.batches()
    for batch in islice(batches, WARM_UP_STEPS):
        step(batch)
    started, num_tokens = time.perf_counter(), 0.0
    for batch in islice(batches, num_steps):
        step(batch)
        num_tokens += float(batch.weights.sum())
    return round((time.perf_counter() - started) * lessons.num_tokens / num_tokens, 1)


def one_size(data_dir: Path, size: str, _num_steps: int) -> dict:
    lessons = _Lessons(data_dir, int(size))
    step = STEPS["trainer"](lessons)
    for batch in islice(lessons.batches(), WARM_UP_STEPS):
        step(batch)
    started = time.perf_counter()
    for batch in islice(lessons.batches(), lessons.num_steps):
        step(batch)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _in_turn(benchmark: str, data_dir: Path, settings: dict[str, tuple], num_steps: int, turns: int) -> dict[str, list]:
    """What each name's process measured in every turn. settings: environment variables by name."""
    measured = {name: [] for name in settings}
    for _ in range(turns):
        for name, of_name in settings.items():
            measured[name].append(_in_a_process(benchmark, data_dir, name, num_steps, of_name))
    return measured


def _in_a_process(benchmark: str, data_dir: Path, of: str, num_steps: int, settings=()):
    command = [sys.executable, __file__, benchmark, str(data_dir), of, str(num_steps)]
    return json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL, env=os.environ | dict(settings)))


class _Lessons:
    """The train split of a prepared dataset as the trainer takes it by default, cut or repeated to so many captions."""

    def __init__(self, data_dir: Path, num_captions: int | None = None, is_sorted: bool = True):
        from captioner.datasets import Dataset
        from captioner.encoders.opening import encoder_of
        from captioner.options import TrainingOptions
        from captioner.training.batches import TeacherForcing

        dataset, self.options = Dataset.open(data_dir), TrainingOptions()
        self.encoder, self.vocabulary_size = encoder_of(dataset)[0], len(dataset.tokenizer)
        examples = dataset.split("train")
        if num_captions is not None:
            captions_a_photo = sum(len(example.captions) for example in examples) / len(examples)
            examples = list(islice(cycle(examples), round(num_captions / captions_a_photo)))
        features, rows = dataset.features_of(examples, self.encoder)
        self._forcing = TeacherForcing(
            examples, features, rows, dataset.tokenizer, self.options.max_tokens, sorted_steps=32 if is_sorted else 1
        )
        self.num_tokens, self.num_steps = self._forcing.num_tokens, self._forcing.num_steps(self.options.batch_size)

    def batches(self):
        """Epoch after epoch."""
        size, share = self.options.batch_size, self.options.word_dropout
        return chain.from_iterable(self._forcing.epoch(size, 0, epoch, share) for epoch in count(1))


def _plain_step(lessons: _Lessons):
    from plain_loop import PlainNetwork, plain_step

    network = PlainNetwork(lessons.vocabulary_size, lessons.encoder.num_regions)
    step = plain_step(network, lessons.encoder.num_regions, lessons.encoder.depth)
    return lambda batch: float(step(batch.features, batch.tokens, batch.targets, batch.weights))


def _packed_step(lessons: _Lessons):
    from plain_loop import packed_step

    step = packed_step(_network(lessons))
    return lambda batch: float(step(batch.features, batch.tokens, batch.targets, batch.weights))


def _trainer_step(lessons: _Lessons, **network_options):
    network = _network(lessons, **network_options)
    from captioner.training.teacher_forcing import Trainer

    return Trainer(network, lessons.options, lessons.num_steps * lessons.options.epochs).step


def _network(lessons: _Lessons, **options):
    from captioner.model import build_network
    from captioner.options import NetworkOptions

    return build_network(
        NetworkOptions(**options), lessons.vocabulary_size, lessons.encoder.num_regions, lessons.encoder.depth
    )


STEPS = {"plain": _plain_step, "packed": _packed_step, "trainer": _trainer_step}

if __name__ == "__main__":  # what `_in_a_process` starts
    print(
        json.dumps(
            {"one-rung": one_rung, "one-decoder": one_decoder, "one-size": one_size}[sys.argv[1]](
                Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
            )
        )
    )
