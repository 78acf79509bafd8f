"""`kill -9` at random moments, from the first step to the export: the same command ends with the same weights."""

import json
import random
import subprocess
import sys
import time

import pytest
from ends import assert_same_end, spelled_out

from captioner.options import NetworkOptions
from captioner.training import Listener, train

pytestmark = pytest.mark.slow

NUM_KILLS = 10
SEED = 3
DRIVER = """
import json, sys
from pathlib import Path
from captioner.datasets import Dataset
from captioner.model_folder import EncoderInfo
from captioner.options import DecodingOptions, NetworkOptions, TrainingOptions
from captioner.training import Listener, Run, phase, train

phase.SECONDS_BETWEEN_CHECKPOINTS = 0  # so that a run that is killed again and again gets on
given = json.loads(sys.argv[1])
run = Run(
    Dataset.open(Path(given["dataset"])), Path(given["output_dir"]), EncoderInfo(**given["encoder"]),
    Path(given["graph"]), NetworkOptions(**given["network"]), TrainingOptions(**given["training"]), DecodingOptions(),
)
print("begun", flush=True)
train(run, True, Listener())
"""


@pytest.fixture(scope="module")
def run_in(make_run):
    """A function `folder -> Run`: a small attention LSTM with dropout, so that every kind of state matters."""
    network = NetworkOptions("lstm", attention=True, units=16, embedding_dim=8)
    return lambda folder: make_run(folder, network=network, epochs=3, batch_size=4, learning_rate=1e-2)


def start(run) -> subprocess.Popen:
    """The run in a process of its own, which has come as far as to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(spelled_out(run))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n", process.stderr.read()[-500:]
    return process


def ends_within(process: subprocess.Popen, seconds: float) -> bool:
    """Whether it ended, and well, of itself; killed otherwise."""
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    assert process.returncode == 0, errors[-500:]
    return True


def test_a_run_killed_at_ten_random_moments_ends_as_if_unbroken(run_in, tmp_path):
    started = time.monotonic()
    unbroken = train(run_in(tmp_path / "unbroken"), True, Listener()).path
    seconds = time.monotonic() - started  # a run's, from beginning to end
    chance, num_kills, num_runs = random.Random(SEED), 0, 0
    while num_kills < NUM_KILLS:
        num_runs += 1
        run = run_in(tmp_path / f"run{num_runs}")
        while not ends_within(start(run), chance.uniform(0, seconds) if num_kills < NUM_KILLS else 600):
            num_kills += 1
        assert_same_end(run.output_dir, unbroken)
