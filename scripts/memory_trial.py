"""Trains on features that are larger than the memory that is free, and says what that costs.

    python scripts/memory_trial.py data/everyday

An epoch is taken twice from a cold page cache, as root on Linux: once with the machine's memory as it is, once with as
much of it locked away as leaves free half of what the features take (beside what training itself needs). Printed as
JSON: seconds of the steps, photos a second, peak memory, and the ratio of the speeds.
"""

import argparse
import ctypes
import json
import mmap
import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

WARM_UP_STEPS = 5
_OF_TRAINING = 2.2e9  # bytes that the process needs beside the features: TensorFlow, weights, a few batches


def trial(data_dir: Path, batch_size: int) -> dict:
    from captioner.datasets import Dataset
    from captioner.encoders.opening import encoder_of

    dataset = Dataset.open(data_dir)
    cache = dataset.feature_cache(encoder_of(dataset)[0])
    size = sum(path.stat().st_size for path in cache.path.iterdir())
    plain = _epoch(data_dir, batch_size)
    ballast = _Ballast(int(_available() - _OF_TRAINING - size / 2))
    free = _available()
    cramped = _epoch(data_dir, batch_size)
    ballast.close()
    return {
        "features_gb": round(size / 1e9, 2),
        "free_for_features_gb": round((free - _OF_TRAINING) / 1e9, 2),
        "all_memory": plain,
        "cramped": cramped,
        "speed_kept": round(cramped["photos_per_second"] / plain["photos_per_second"], 3),
    }


def _available() -> float:
    """Bytes that processes could still be given."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))


class _Ballast:
    """Memory that nobody else can have."""

    def __init__(self, num_bytes: int):
        self._map = mmap.mmap(-1, num_bytes)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        if ctypes.CDLL(None, use_errno=True).mlock(ctypes.c_void_p(address), ctypes.c_size_t(num_bytes)) != 0:
            raise SystemExit(f"{num_bytes / 1e9:.1f} GB cannot be locked: {os.strerror(ctypes.get_errno())}")

    def close(self) -> None:
        self._map = None


def _epoch(data_dir: Path, batch_size: int) -> dict:
    """In a process of its own, nothing of the features being in memory at first."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    command = [sys.executable, __file__, str(data_dir), "--batch-size", str(batch_size), "--one-epoch"]
    return json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))


def one_epoch(data_dir: Path, batch_size: int) -> dict:
    import resource

    from captioner.datasets import Dataset
    from captioner.encoders.opening import encoder_of
    from captioner.model import build_network
    from captioner.options import NetworkOptions, TrainingOptions
    from captioner.training.batches import TeacherForcing
    from captioner.training.teacher_forcing import Trainer

    dataset = Dataset.open(data_dir)
    encoder, _ = encoder_of(dataset)
    examples = dataset.split("train")
    lessons = TeacherForcing(examples, *dataset.features_of(examples, encoder), dataset.tokenizer, 24)
    network = build_network(NetworkOptions(), len(dataset.tokenizer), encoder.num_regions, encoder.depth)
    trainer = Trainer(network, TrainingOptions(batch_size=batch_size), lessons.num_steps(batch_size))
    batches = lessons.epoch(batch_size, seed=0, epoch=1)
    for batch in islice(batches, WARM_UP_STEPS):
        trainer.step(batch)
    started, num_photos = time.perf_counter(), 0
    for batch in batches:
        trainer.step(batch)
        num_photos += len(batch.images)
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 1),
        "photos_per_second": round(num_photos / seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "read_from_disk_mb": round(_read_bytes() / 1e6),
    }


def _read_bytes() -> int:
    """What this process has had read from disk."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("read_bytes")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="a prepared dataset")
    parser.add_argument("--batch-size", type=int, default=48, help="photos a step")
    parser.add_argument("--one-epoch", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    print(json.dumps((one_epoch if asked.one_epoch else trial)(asked.data_dir, asked.batch_size), indent=2))
