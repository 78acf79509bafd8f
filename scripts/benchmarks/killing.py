"""Commands of the product in processes that are killed at random, or run to their end."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_MOST_SECONDS = 1800.0  # for whatever runs to its end, on the slowest machine


def start(command: list[str], model: str) -> subprocess.Popen:
    chosen = [] if command[0] == "prepare" else ["-m", model, "--threads", "1"]
    whole = [sys.executable, "-m", "captioner", *command, *chosen]
    return subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill_at_random(processes: list[subprocess.Popen], seconds: float, chance: random.Random) -> int:
    """Kills each within so many seconds; how many had not ended by themselves."""
    started = time.monotonic()
    for moment, process in sorted(((chance.uniform(0, seconds), p) for p in processes), key=lambda each: each[0]):
        time.sleep(max(0.0, started + moment - time.monotonic()))
        process.kill()
    for process in processes:
        process.communicate()
    return sum(process.returncode == -signal.SIGKILL for process in processes)


def run_to_end(processes: list[subprocess.Popen], is_whole: Callable[[], bool] | None) -> Iterator[tuple[int, str]]:
    """Exit code and errors of each; `is_whole`, of those that do not end by themselves: whether they may be
    killed."""
    until = time.monotonic() + _MOST_SECONDS
    while is_whole is not None and not is_whole() and time.monotonic() < until:
        time.sleep(0.2)
    for process in processes:
        if is_whole is not None:
            process.kill()
        _, errors = process.communicate(timeout=_MOST_SECONDS)
        yield process.returncode, errors


def captions_alone(photos: Path, model: str) -> tuple[dict[str, str], float]:
    """What one process says of each photo, and the seconds it took."""
    started = time.monotonic()
    command = [sys.executable, "-m", "captioner", "caption", str(photos), "-m", model, "-f", "jsonl"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    records = map(json.loads, lines)
    return {record["file_name"]: record["text"] for record in records}, time.monotonic() - started
