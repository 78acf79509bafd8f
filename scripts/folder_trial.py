"""A folder of ten thousand photos, some of them broken, captioned in one go, and again while it is killed at random.

    python scripts/folder_trial.py [--photos 10000] [--kills 3] [--model flickr8k] [--json FILE]

Every good photo must have its caption, every broken one be named, and what the killed runs left together must be what
the unbroken run gave: each record once, each sidecar whole.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.processes import seconds_and_memory
from benchmarks.trials import tell
from odd_photos import BROKEN, WHOLE
from PIL import Image

_SAMPLES = sorted((Path(__file__).parents[1] / "data" / "photos").glob("*.jpg"))
_SIZES = ((500, 375), (375, 500), (640, 480), (224, 224), (1024, 768), (160, 120))
_FORMATS = (("jpg", {"quality": 85}), ("webp", {"quality": 80}), ("png", {}))
_FOLDERS = ("", "2019", "2019/summer", "2020/한라산", "2021/a b")


@dataclass(frozen=True)
class Folder:
    path: Path
    good: frozenset[str]
    broken: frozenset[str]


def make_folder(path: Path, num_photos: int, seed: int) -> Folder:
    """So many photos, one of a hundred broken; a few dozen pictures under many names, and in many forms."""
    draw, pictures = random.Random(seed), []
    (path / ".pictures").mkdir(parents=True)
    for number, (sample, size) in enumerate((sample, size) for sample in _SAMPLES for size in _SIZES):
        suffix, settings = _FORMATS[number % len(_FORMATS)]
        pictures.append(path / ".pictures" / f"{number}.{suffix}")
        with Image.open(sample) as image:
            image.convert("RGB").resize(size).save(pictures[-1], **settings)
    num_broken = max(len(BROKEN), num_photos // 100)
    kinds = [*islice(cycle(BROKEN.items()), num_broken), *WHOLE.items()]
    good, broken = [], []
    for number, (name, write) in enumerate(kinds):
        name = f"{_FOLDERS[number % len(_FOLDERS)]}/{number:03} {name}".lstrip("/")
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        write(path / name)
        (broken if number < num_broken else good).append(name)
    for number in range(num_photos - len(kinds)):
        picture = draw.choice(pictures)
        name = f"{draw.choice(_FOLDERS)}/IMG_{number:05}{picture.suffix}".lstrip("/")
        os.link(picture, path / name)
        good.append(name)
    return Folder(path, frozenset(good), frozenset(broken))


def command_for(folder: Folder, output: Path, model: str) -> list[str]:
    command = [sys.executable, "-m", "captioner", "caption", str(folder.path), "-r", "-m", model, "--progress", "off"]
    return [
        *command,
        "-f",
        "jsonl",
        "-o",
        str(output / "captions.jsonl"),
        "--sidecar",
        "txt",
        "--output-dir",
        str(output),
    ]


def killed(command: list[str], num_kills: int, records: Path, total: int, seed: int) -> list[int]:
    """Kills the run so often, at random, and lets it end; how many records there were at each kill."""
    draw, counts = random.Random(seed), []
    for number in range(num_kills):
        goal = int(total * (number + draw.random()) / num_kills)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not records.exists() or records.read_bytes().count(b"\n") < goal):
            time.sleep(draw.uniform(0.01, 0.05))
        process.kill()
        process.wait()
        counts.append(records.read_bytes().count(b"\n") if records.exists() else 0)
    if subprocess.run(command, capture_output=True, check=False).returncode != 1:
        raise RuntimeError(f"{' '.join(command)} did not end well")
    return counts


def read_records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def sidecars_below(path: Path) -> dict[str, bytes]:
    found = (each for each in path.rglob("*") if each.is_file() and each.name != "captions.jsonl")
    return {str(each.relative_to(path)): each.read_bytes() for each in found}


def trial(work: Path, num_photos: int, num_kills: int, model: str, seed: int = 0) -> dict:
    """What was found, in figures; `is_whole` says whether all is as it must be."""
    folder = make_folder(work / "photos", num_photos, seed)
    once, often = work / "once", work / "often"
    once.mkdir(), often.mkdir()
    seconds, memory = seconds_and_memory(command_for(folder, once, model), expected=1)  # as some photos are broken
    kills = killed(command_for(folder, often, model), num_kills, often / "captions.jsonl", num_photos, seed)
    records = {path.name: read_records(path / "captions.jsonl") for path in (once, often)}
    by_name = {run: {record["file_name"]: record for record in each} for run, each in records.items()}
    captioned = {name for name, record in by_name["once"].items() if record.get("text")}
    named = {name for name, record in by_name["once"].items() if "error" in record}
    tenth = len(memory) // 10 + 1
    checks = {
        "every good photo is captioned": captioned == folder.good,
        "every broken photo is named": named == folder.broken,
        "no photo has two records": all(len(records[run]) == len(by_name[run]) for run in records),
        "the killed runs together are the unbroken one": by_name["once"] == by_name["often"],
        "so are their sidecars": sidecars_below(once) == sidecars_below(often),
        "every good photo has its sidecar": len(sidecars_below(once)) == len(folder.good),
        "no sidecar is empty": all(content.strip() for content in sidecars_below(once).values()),
    }
    return {
        "photos": num_photos,
        "broken": len(folder.broken),
        "seconds": round(seconds, 1),
        "photos_a_second": round(num_photos / seconds, 1),
        "most_memory_in_first_tenth_mb": round(max(memory[:tenth]) / 1e6, 1),
        "most_memory_in_last_tenth_mb": round(max(memory[-tenth:]) / 1e6, 1),
        "records_at_each_kill": kills,
        "checks": checks,
        "is_whole": all(checks.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--model", default="flickr8k")
    parser.add_argument("--json", type=Path, dest="json_path")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = trial(Path(work), arguments.photos, arguments.kills, arguments.model)
    tell(found, arguments.json_path)


if __name__ == "__main__":
    main()
