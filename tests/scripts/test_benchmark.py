"""The benchmarks start; what they measure is nothing to assert."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark.py"


def test_every_benchmark_says_what_it_measures():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "caption" in done.stdout and "prepare-speed" in done.stdout and "train-growth" in done.stdout
