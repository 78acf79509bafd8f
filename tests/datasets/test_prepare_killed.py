"""`captioner prepare` killed in real processes: the same command goes on, and ends as an unbroken run does."""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from captioner.datasets.features import FeatureCache

NAMES = [f"{number:02}.png" for number in range(16)]

PREPARE = """
import os, signal, sys
import captioner.cli.encoders
from captioner.cli import main

class MeanEncoder:
    key, image_size, num_regions, depth = "mean-0123", 8, 4, 3
    def __call__(self, images):
        return images.reshape(-1, 2, 4, 2, 4, 3).mean((2, 4)).reshape(-1, 4, 3) / 255

captioner.cli.encoders.open_encoder = lambda name: MeanEncoder()
source, output_dir, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
done = 0

def die_in_time(event, arguments):
    global done
    if event in ("open", "os.mkdir", "os.rename", "os.remove") and str(arguments[0]).startswith(output_dir):
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die_in_time)
main(["prepare", source, output_dir, "--min-count", "1"])
"""


@pytest.fixture
def source(tmp_path):
    """Sixteen photos of noise, one of them broken, with captions beside them."""
    folder, noise = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for number, name in enumerate(NAMES):
        Image.fromarray(noise.integers(0, 256, (12, 9, 3), np.uint8)).save(folder / name)
        (folder / name).with_suffix(".txt").write_text(f"a dog runs\nthe dog number {number}\n")
    (folder / NAMES[9]).write_bytes(b"broken")
    return folder


def run(command, *arguments):
    done = subprocess.run([sys.executable, *command, *map(str, arguments)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


def assert_as_unbroken(data_dir, unbroken_dir, shape):
    names = sorted(path.name for path in unbroken_dir.iterdir())
    assert sorted(path.name for path in data_dir.iterdir()) == names
    for name in ("captions.jsonl", "vocabulary.txt", "dataset.json"):
        assert (data_dir / name).read_bytes() == (unbroken_dir / name).read_bytes()
    key = json.loads((data_dir / "dataset.json").read_text())["encoder"]
    found, expected = (FeatureCache(folder / "features", key, *shape) for folder in (data_dir, unbroken_dir))
    assert found.rows.keys() == expected.rows.keys() == set(NAMES) - {NAMES[9]}
    for image in expected.rows:
        assert np.array_equal(found.features()[found.rows[image]], expected.features()[expected.rows[image]])


def test_killed_before_whatever_it_does_to_a_file_it_goes_on_and_leaves_nothing_behind(source, tmp_path):
    data_dir, unbroken_dir = tmp_path / "data", tmp_path / "unbroken"
    assert run(["-c", PREPARE], source, unbroken_dir, 0).returncode == 1  # a photo is broken
    moments = random.Random(5)
    num_killed, left_behind = 0, set()
    for _ in range(12):
        done = run(["-c", PREPARE], source, data_dir, moments.randint(2, 24))
        num_killed += done.returncode == -signal.SIGKILL
        left_behind |= {name for name in os.listdir(data_dir) if name.endswith(".part")}
    assert num_killed >= 6 and len(left_behind) >= 2
    assert run(["-c", PREPARE], source, data_dir, 0).returncode == 1
    assert_as_unbroken(data_dir, unbroken_dir, (4, 3))


@pytest.mark.slow
def test_killed_at_any_time_with_the_shipped_encoder_it_ends_with_the_same_bytes(source, tmp_path):
    command = ["-m", "captioner", "prepare", "--min-count", "1"]
    data_dir, unbroken_dir = tmp_path / "data", tmp_path / "unbroken"
    assert run(command, source, unbroken_dir).returncode == 1
    moments = random.Random(6)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, *command, source, data_dir], stderr=subprocess.DEVNULL)
        try:
            process.wait(moments.uniform(0.4, 1.6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert run(command, source, data_dir).returncode == 1
    assert_as_unbroken(data_dir, unbroken_dir, (100, 1960))
