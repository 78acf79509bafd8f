"""Figures of speed and memory, measured on the machine at hand.

python scripts/benchmark.py prepare-memory
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

_SMALL, _LARGE = 500, 4000


def prepare_memory() -> dict:
    """Peak memory of `captioner prepare` on photos of 500 x 375, in MB, for two sizes of the dataset."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for num_photos in (_SMALL, _LARGE):
            source = Path(folder) / f"photos{num_photos}"
            source.mkdir()
            _write_photos(source, num_photos)
            started = time.perf_counter()
            peak = _peak_memory([sys.executable, "-m", "captioner", "prepare", str(source), f"{source}-prepared"])
            seconds = time.perf_counter() - started
            rows[num_photos] = {"peak_mb": round(peak / 1e6), "photos_per_second": round(num_photos / seconds, 1)}
    return {
        "photos": rows,
        "growth_of_peak": round(rows[_LARGE]["peak_mb"] / rows[_SMALL]["peak_mb"], 3),
        "growth_of_dataset": _LARGE / _SMALL,
    }


def _write_photos(folder: Path, count: int) -> None:
    """Links to a few hundred photos of noise, each with a caption of its own."""
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < 200:
            Image.frombytes("RGB", (500, 375), os.urandom(500 * 375 * 3)).save(path, quality=85)
        else:
            os.link(folder / f"{number % 200:06}.jpg", path)
        path.with_suffix(".txt").write_text("noise of many colours on a photo\n")


def _peak_memory(command: list[str]) -> int:
    """Peak resident bytes of a process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return usage.ru_maxrss * 1024


BENCHMARKS = {"prepare-memory": prepare_memory}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=list(BENCHMARKS))
    result = BENCHMARKS[parser.parse_args().benchmark]()
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps(machine | result, indent=2))
