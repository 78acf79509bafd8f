"""`kill -9` at random moments, from the first step to the export: the same command ends with the same weights."""

import multiprocessing
import random
import time

import pytest
import small_encoder
from ends import assert_same_encoder, assert_same_end
from small_runs import prepare_small, run_of

from captioner.encoders import ENCODERS
from captioner.options import NetworkOptions
from captioner.training import Listener, phase, train

pytestmark = pytest.mark.slow

SEED = 3
# Runs are forked from a process that has TensorFlow loaded and nothing built: to load it takes longer than a run.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["captioner.training"])


@pytest.fixture(scope="module")
def run_in(make_run):
    """A function `folder -> Run`: a small attention LSTM with dropout, so that every kind of state matters."""
    network = NetworkOptions("lstm", attention=True, units=16, embedding_dim=8)
    return lambda folder: make_run(folder, network=network, epochs=3, batch_size=4, learning_rate=1e-2)


def train_saving_often(run, begun):
    small_encoder.register()
    phase.SECONDS_BETWEEN_CHECKPOINTS = 0  # so that a run that is killed again and again gets on
    begun.set()
    train(run, True, Listener())


def start(run) -> multiprocessing.Process:
    """The run in a process of its own, which has come as far as to begin."""
    begun = PROCESSES.Event()
    process = PROCESSES.Process(target=train_saving_often, args=(run, begun))
    process.start()
    assert begun.wait(600)
    return process


def ends_within(process: multiprocessing.Process, seconds: float) -> bool:
    """Whether it ended, and well, of itself; killed otherwise."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        return False
    assert process.exitcode == 0
    return True


def assert_ends_as_unbroken_whenever_killed(run_in, folder, num_kills, assert_same):
    """run_in: a function `folder -> Run`, the same run in any folder; num_kills: at random moments, of several runs."""
    unbroken = run_in(folder / "unbroken")
    process, started = start(unbroken), time.monotonic()
    assert ends_within(process, 1800)
    seconds = time.monotonic() - started  # a run's, from beginning to end
    chance, num_killed, num_runs = random.Random(SEED), 0, 0
    while num_killed < num_kills:
        num_runs += 1
        run = run_in(folder / f"run{num_runs}")
        while not ends_within(start(run), chance.uniform(0, seconds) if num_killed < num_kills else 1800):
            num_killed += 1
        assert_same(run.output_dir, unbroken.output_dir)


def test_a_run_killed_at_random_moments_ends_as_if_unbroken(run_in, tmp_path):
    assert_ends_as_unbroken_whenever_killed(run_in, tmp_path, 4, assert_same_end)


def test_a_run_that_tunes_an_encoder_in_integers_ends_as_if_unbroken_however_killed(tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODERS, small_encoder.NAME, small_encoder.SPEC)
    dataset = prepare_small(tmp_path, "int8")

    def assert_same(folder, expected):
        assert_same_end(folder, expected)
        assert_same_encoder(folder, expected)

    def run_in(folder):  # whose decoder has learned next to nothing when its encoder begins to, so that this helps
        return run_of(dataset, folder, epochs=1, learning_rate=1e-5)

    assert_ends_as_unbroken_whenever_killed(run_in, tmp_path, 2, assert_same)
