"""Two of each command at the same folder, killed at random and run again: is anything lost?

    python scripts/concurrency_trial.py [--photos 12] [--rounds 1] [--seed 0] [--model flickr8k] [--only NAME]

Both processes are killed at random times, then both are run again to their end, and then one alone. Of two at one file
of records the second is refused in one line; all others wait for each other. Afterwards every photo must have its own
caption, as one process alone gives it, in every place; and every prepared photo its own features. Prints a table; the
exit code is 1 where something is lost, or a process ends otherwise than it should.
"""

import argparse
import csv
import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from benchmarks.killing import captions_alone, kill_at_random, run_to_end, start
from PIL import Image

from captioner.datasets import Dataset
from captioner.datasets.drawings import write_drawings
from captioner.encoders import shipped_graph
from captioner.errors import CaptionerError
from captioner.images import read_image
from captioner.inference import Encoder
from captioner.outputs.metadata import read_captions, read_xmp_sidecar
from captioner.outputs.tables import read_records

_SAMPLES = sorted((Path(__file__).parents[1] / "data" / "photos").glob("*.jpg"))
_MOST_SAMPLES = 6  # beside drawings, many of which have the same caption
_REFUSED = ("is writing it", "has written it meanwhile; run the command again")


@dataclass(frozen=True)
class Work:
    """A folder of photos, and a folder for what is made of it; what one process alone says of each photo."""

    photos: Path
    out: Path
    originals: Path
    captions: dict[str, str]


@dataclass(frozen=True)
class Trial:
    """Two commands that run at the same time, and what is lost when they have: a line each.

    ends: whether they end by themselves, and are not stopped when all is there.
    """

    commands: Callable[[Work], Sequence[list[str]]]
    losses: Callable[[Work], Iterator[str]]
    ends: bool = True


@dataclass
class Found:
    num_killed: int = 0
    num_refused: int = 0
    num_left_behind: int = 0
    losses: list[str] = field(default_factory=list)


def _caption(*options: str) -> Callable[[Work], Sequence[list[str]]]:
    return lambda work: [["caption", str(work.photos), *(each.format(out=work.out) for each in options)]] * 2


def _differing(work: Work, said_of: Callable[[str], str | None]) -> Iterator[str]:
    for name, caption in work.captions.items():
        try:
            said = said_of(name)
        except (OSError, ValueError, KeyError, CaptionerError) as error:
            said = f"{type(error).__name__}: {error}"
        if said != caption:
            yield f"{name}: {said!r}, not {caption!r}"


def _text_lines(path: Path) -> Iterator[tuple[str, str]]:
    return (tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines())


def _json_lines(path: Path) -> Iterator[tuple[str, str]]:
    return ((row["file_name"], row["text"]) for row in map(json.loads, path.open(encoding="utf-8")))


def _csv_rows(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return iter([(row["file_name"], row["text"]) for row in csv.DictReader(file)])


def _parquet_rows(path: Path) -> Iterator[tuple[str, str]]:
    return ((row["file_name"], row["text"]) for row in read_records(path))


def _records(name: str, read: Callable[[Path], Iterator[tuple[str, str]]]) -> Trial:
    """Records in one file: each photo has one."""

    def losses(work: Work) -> Iterator[str]:
        rows = list(read(work.out / "records"))
        if sorted(name for name, _ in rows) != sorted(work.captions):
            yield f"{len(rows)} records of {len(work.captions)} photos"
        yield from _differing(work, dict(rows).get)

    return Trial(_caption("-f", name, "-o", "{out}/records"), losses)


def _sidecars(kind: str, read: Callable[[Work, str], str]) -> Trial:
    def losses(work: Work) -> Iterator[str]:
        return _differing(work, lambda name: read(work, name))

    return Trial(_caption("--sidecar", kind), losses)


def _beside(suffix: str) -> Callable[[Work, str], str]:
    return lambda work, name: (work.photos / name).with_suffix(suffix).read_text(encoding="utf-8").removesuffix("\n")


def _metadata_losses(work: Work) -> Iterator[str]:
    for part in ("alt", "description"):
        yield from _differing(work, lambda name, part=part: read_captions(work.photos / name)[part].text)
    for name in work.captions:
        now, before = (np.asarray(Image.open(folder / name)) for folder in (work.photos, work.originals))
        if not np.array_equal(now, before):
            yield f"{name}: other pixels"


def _metadata_commands(work: Work) -> Sequence[list[str]]:
    return [["caption", str(work.photos), "--write-metadata", part] for part in ("alt", "description")]


def _prepared_losses(work: Work) -> Iterator[str]:
    dataset, encoder = Dataset.open(work.out / "data"), Encoder(*shipped_graph("efficientnet-lite2-320", "int8"))
    captions = {example.name: example.captions for example in dataset.examples}
    features, rows = dataset.features_of(list(dataset.examples), encoder)
    for example, row in zip(dataset.examples, rows, strict=True):
        photo = read_image(work.photos / example.name, encoder.image_size)
        if not np.array_equal(features[row], encoder.quantization.dequantize(encoder.encode(photo[None])[0])):
            yield f"{example.name}: features of another photo"
    for name in work.captions:
        if captions.get(name) != (f"a photo named {Path(name).stem}",):
            yield f"{name}: {captions.get(name)}"


def _prepare_commands(work: Work) -> Sequence[list[str]]:
    table = work.out / "captions.csv"
    lines = ["image,caption", *(f"{name},a photo named {Path(name).stem}" for name in work.captions)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ["prepare", str(table), str(work.out / "data"), "--images", str(work.photos), "--min-count", "1"]
    return [command] * 2


_TXT = _sidecars("txt", _beside(".txt"))
TRIALS = {
    "caption -f text -o": _records("text", _text_lines),
    "caption -f jsonl -o": _records("jsonl", _json_lines),
    "caption -f csv -o": _records("csv", _csv_rows),
    "caption -f parquet -o": _records("parquet", _parquet_rows),
    "caption --sidecar txt": _TXT,
    "caption --sidecar caption": _sidecars("caption", _beside(".caption")),
    "caption --sidecar json": _sidecars("json", lambda work, name: json.loads(_beside(".json")(work, name))["text"]),
    "caption --sidecar xmp": _sidecars(
        "xmp", lambda work, name: read_xmp_sidecar(work.photos / f"{name}.xmp")["description"].text
    ),
    "caption --write-metadata": Trial(_metadata_commands, _metadata_losses),
    "watch --sidecar txt": Trial(
        lambda work: [["watch", str(work.photos), "--sidecar", "txt"]] * 2, _TXT.losses, False
    ),
    "prepare": Trial(_prepare_commands, _prepared_losses),
}


def write_photos(folder: Path, num_photos: int) -> Path:
    """So many photos: samples, whose captions differ, and drawings."""
    folder.mkdir()
    for sample in _SAMPLES[: min(_MOST_SAMPLES, num_photos)]:
        shutil.copy(sample, folder / sample.name.replace(",", ""))
    with tempfile.TemporaryDirectory() as drawn:
        num_drawn = num_photos - len(list(folder.iterdir()))
        for path in sorted((write_drawings(Path(drawn), num_drawn, 0, 0) / "train").glob("*.png")):
            shutil.copy(path, folder / path.name)
    return folder


def run(trial: Trial, work: Work, model: str, seconds: float, chance: random.Random) -> Found:
    commands, found = trial.commands(work), Found()
    found.num_killed = kill_at_random([start(command, model) for command in commands], seconds, chance)
    is_whole = None if trial.ends else lambda: not list(trial.losses(work))
    good = 0 if trial.ends else -signal.SIGKILL
    for running in (commands, commands[:1]):
        for exit_code, errors in run_to_end([start(command, model) for command in running], is_whole):
            last = errors.splitlines()[-1] if errors else ""
            if exit_code == 1 and last.startswith("Error: ") and last.endswith(_REFUSED) and len(running) > 1:
                found.num_refused += 1
            elif exit_code != good or "Traceback" in errors:
                found.losses.append(f"exit code {exit_code}: {last}")
    try:
        found.losses += trial.losses(work)
    except (OSError, ValueError, CaptionerError) as error:
        found.losses.append(f"{type(error).__name__}: {error}")
    found.num_left_behind = sum(path.suffix in (".part", ".holder") for path in work.out.parent.rglob(".*"))
    return found


@contextmanager
def work_on(originals: Path, captions: dict[str, str]) -> Iterator[Work]:
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder) / "photos", Path(folder) / "out", originals, captions)
        shutil.copytree(originals, work.photos)
        work.out.mkdir()
        yield work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="flickr8k")
    parser.add_argument("--only", choices=TRIALS, metavar="NAME", help=f"One of {', '.join(TRIALS)}.")
    arguments = parser.parse_args()
    chance, num_lost = random.Random(arguments.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        originals = write_photos(Path(folder) / "photos", arguments.photos)
        captions, seconds = captions_alone(originals, arguments.model)
        print(f"{len(captions)} photos, {len(set(captions.values()))} different captions")
        print(f"{'command':<26}  killed  refused  left behind  lost")
        for name in [arguments.only] if arguments.only else TRIALS:
            for _ in range(arguments.rounds):
                with work_on(originals, captions) as work:
                    found = run(TRIALS[name], work, arguments.model, seconds, chance)
                counts = found.num_killed, found.num_refused, found.num_left_behind, len(found.losses)
                print("{:<26}  {:>6}  {:>7}  {:>11}  {:>4}".format(name, *counts), flush=True)
                for loss in found.losses:
                    print(f"    {loss}")
                num_lost += len(found.losses)
    sys.exit(1 if num_lost else 0)


if __name__ == "__main__":
    main()
