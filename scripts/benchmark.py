"""Figures of speed and memory, measured on the machine at hand.

python scripts/benchmark.py prepare-memory
python scripts/benchmark.py annotations-growth
"""

import argparse
import itertools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

_SMALL, _LARGE = 500, 4000
_CAPTIONS = (100_000, 300_000, 600_000)  # the last is COCO's size
_CAPTIONS_PER_PHOTO = 5
_READ_AND_REPORT = """
import sys, time
from pathlib import Path
from captioner.datasets import read_annotations
from captioner.datasets.report import describe
from captioner.datasets.splits import with_splits
from captioner.options import PrepareOptions
started = time.process_time()
_, annotations = read_annotations(Path(sys.argv[1]), photos_needed=False)
read = time.process_time()
report = describe(with_splits(annotations.examples, PrepareOptions()), annotations.problems, [])
assert report["captions"] == int(sys.argv[2]) and not annotations.problems
print(read - started, time.process_time() - read)
"""


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


def annotations_growth() -> dict:
    """Processor seconds and peak memory of reading annotations and of their report, three formats in three sizes."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in _ANNOTATION_WRITERS.items():
            for num_captions in _CAPTIONS:
                path = Path(folder) / f"{num_captions}{name}"
                with path.open("w", encoding="utf-8") as file:
                    write(file, num_captions)
                output = Path(folder) / "seconds"
                peak = _peak_memory([sys.executable, "-c", _READ_AND_REPORT, str(path), str(num_captions)], output)
                read_seconds, report_seconds = map(float, output.read_text().split())
                rows.setdefault(name, {})[num_captions] = {
                    "file_mb": round(path.stat().st_size / 1e6),
                    "read_seconds": round(read_seconds, 2),
                    "report_seconds": round(report_seconds, 2),
                    "peak_mb": round(peak / 1e6),
                }
                path.unlink()
    return {"annotations": rows}


def _captions(num_captions: int):
    """`(photo number, caption)`: eleven words, drawn from twenty thousand with the frequencies of speech.

    Only a few parts of captions are held: a process counts the memory of the one that started it.
    """
    chance = random.Random(0)
    words = [f"word{number}" for number in range(20_000)]
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(words))))
    parts = [" ".join(chance.choices(words, cum_weights=weights, k=5)) for _ in range(10_000)]
    for number in range(num_captions):
        yield number // _CAPTIONS_PER_PHOTO, f"{chance.choice(parts)} word{number % 100} {chance.choice(parts)}"


def _write_coco(file, num_captions: int) -> None:
    file.write('{"info": {}, "images": [')
    for number in range(num_captions // _CAPTIONS_PER_PHOTO):
        url = f"http://images.cocodataset.org/train2017/{number:012}.jpg"
        image = {"license": 3, "file_name": f"{number:012}.jpg", "coco_url": url, "height": 480, "width": 640}
        file.write((", " if number else "") + json.dumps(image | {"flickr_url": url, "id": number}))
    file.write('], "annotations": [')
    for place, (number, caption) in enumerate(_captions(num_captions)):
        entry = {"image_id": number, "id": place, "caption": caption}
        file.write((", " if place else "") + json.dumps(entry))
    file.write("]}")


def _write_csv(file, num_captions: int) -> None:
    file.write("image,caption\n")
    file.writelines(f"{number:012}.jpg,{caption}\n" for number, caption in _captions(num_captions))


def _write_jsonl(file, num_captions: int) -> None:
    lines = ({"file_name": f"{number:012}.jpg", "text": caption} for number, caption in _captions(num_captions))
    file.writelines(json.dumps(line) + "\n" for line in lines)


_ANNOTATION_WRITERS = {".json": _write_coco, ".csv": _write_csv, ".jsonl": _write_jsonl}


def _peak_memory(command: list[str], output: str | Path = os.devnull) -> int:
    """Peak resident bytes of a process, whose output goes to that file."""
    with open(output, "w") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return usage.ru_maxrss * 1024


BENCHMARKS = {"prepare-memory": prepare_memory, "annotations-growth": annotations_growth}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=list(BENCHMARKS))
    result = BENCHMARKS[parser.parse_args().benchmark]()
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps(machine | result, indent=2))
