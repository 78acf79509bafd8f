"""How reading annotations, and the report on them, grow with their number; no photo is needed."""

import itertools
import json
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import peak_memory

_CAPTIONS = (100_000, 300_000, 600_000)  # the last is COCO's size
_CAPTIONS_PER_PHOTO = 5
_READ_AND_REPORT = """
import sys, time
from pathlib import Path

from benchmarks.processes import peak_memory
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
                peak = peak_memory([sys.executable, "-c", _READ_AND_REPORT, str(path), str(num_captions)], output)
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
