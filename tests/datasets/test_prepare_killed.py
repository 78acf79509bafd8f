"""`captioner prepare` killed in real processes: the same command goes on, and ends as an unbroken run does."""

import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from captioner.datasets.features import FeatureCache

NAMES = [f"{number:02}.png" for number in range(16)]

PREPARE = """
import os, signal, sys, time
import captioner.encoders.opening
from captioner.cli import main

class MeanEncoder:
    key, image_size, num_regions, depth, quantization = "mean-0123", 8, 4, 3, None
    def encode(self, images):
        time.sleep(float(os.environ.get("SECONDS_A_PHOTO", 0)))
        return images.reshape(-1, 2, 4, 2, 4, 3).mean((2, 4)).reshape(-1, 4, 3) / 255

captioner.encoders.opening.find_graph = lambda *arguments: (None, None)
captioner.encoders.opening.open_encoder = lambda path, key: MeanEncoder()
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


def assert_as_unbroken(data_dir, unbroken_dir):
    assert files_of(data_dir) == files_of(unbroken_dir)
    for name in ("captions.jsonl", "vocabulary.txt", "dataset.json", "report.json"):
        assert (data_dir / name).read_bytes() == (unbroken_dir / name).read_bytes()
    encoder = SimpleNamespace(**json.loads((data_dir / "dataset.json").read_text())["encoder"])
    found, expected = (FeatureCache(folder / "features", encoder) for folder in (data_dir, unbroken_dir))
    assert found.rows.keys() == expected.rows.keys() == set(NAMES) - {NAMES[9]}
    for image in expected.rows:
        assert np.array_equal(found.features()[found.rows[image]], expected.features()[expected.rows[image]])
    rows, expected_rows = (cache.path / "rows.bin" for cache in (found, expected))
    assert rows.stat().st_size == expected_rows.stat().st_size


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_killed_before_whatever_it_does_to_a_file_it_goes_on_and_leaves_nothing_behind(source, tmp_path):
    data_dir, unbroken_dir = tmp_path / "data", tmp_path / "unbroken"
    assert run(["-c", PREPARE], source, unbroken_dir, 0).returncode == 1  # a photo is broken
    moments = random.Random(2)
    num_killed, left_behind = 0, set()
    for _ in range(12):
        done = run(["-c", PREPARE], source, data_dir, moments.randint(2, 45))
        num_killed += done.returncode == -signal.SIGKILL
        left_behind |= {path.name for path in data_dir.rglob("*.part")}
    assert num_killed >= 6 and len(left_behind) >= 2
    assert run(["-c", PREPARE], source, data_dir, 0).returncode == 1
    assert_as_unbroken(data_dir, unbroken_dir)


def start(source, data_dir, seconds_a_photo):
    command = [sys.executable, "-c", PREPARE, str(source), str(data_dir), "0"]
    environment = os.environ | {"SECONDS_A_PHOTO": str(seconds_a_photo)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_features(data_dir, process):
    """Until the process has written a row."""
    deadline = time.monotonic() + 60
    while not list(data_dir.glob("features/*/index.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)


def test_who_prepares_into_a_folder_waits_for_who_does_already_and_goes_on_where_it_was_killed(source, tmp_path):
    data_dir, unbroken_dir = tmp_path / "data", tmp_path / "unbroken"
    run(["-c", PREPARE], source, unbroken_dir, 0)
    first = start(source, data_dir, 0.2)
    wait_for_features(data_dir, first)
    second = start(source, data_dir, 0)
    assert second.stderr.readline() == f"{source}: format sidecar, 16 photos with captions\n"
    holder = f"process {first.pid} on {platform.node()}"
    assert second.stderr.readline() == f"waiting for {holder}, which is writing {data_dir}\n"
    first.kill()
    first.communicate()
    output, errors = second.communicate()
    assert second.returncode == 1 and errors.splitlines()[0] == "failed: 1 corrupt photo"
    assert output.startswith("train: ")
    assert_as_unbroken(data_dir, unbroken_dir)


def test_of_two_runs_at_a_time_either_may_be_killed_at_any_time(source, tmp_path):
    unbroken_dir = tmp_path / "unbroken"
    run(["-c", PREPARE], source, unbroken_dir, 0)
    moments = random.Random(7)
    for number in range(4):
        data_dir = tmp_path / f"data{number}"
        both = [start(source, data_dir, 0.02) for _ in range(2)]
        wait_for_features(data_dir, both[1])
        time.sleep(moments.uniform(0, 0.2))
        killed = both.pop(moments.randrange(2))
        killed.kill()
        killed.communicate()
        both.append(start(source, data_dir, 0))
        for process in both:
            _, errors = process.communicate()
            assert process.returncode == 1 and "Traceback" not in errors
        assert_as_unbroken(data_dir, unbroken_dir)


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
    assert_as_unbroken(data_dir, unbroken_dir)
