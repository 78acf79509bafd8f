"""What a caption costs: the first of a process, and each of many."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.photos import LARGE, SMALL, write_photos
from benchmarks.processes import peak_memory, seconds_and_memory
from benchmarks.turns import medians, seconds_in_turn

from captioner import Captioner
from captioner.ahead import map_ahead
from captioner.decoding import beam_search_stream
from captioner.images import read_image
from captioner.inference import Encoder, default_threads
from captioner.inference.captioner import DEFAULT_BATCH_SIZE

_CAPTIONER = [sys.executable, "-m", "captioner"]

# A row of the table: what is measured, as a share of what, and the mark that the share or figure is to stay under
# (or, where it is a share of speed, above).
Row = tuple[str, str, str, bool]


def caption(quick: bool, peer_python: str | None) -> dict:
    """The first caption of a process, and photos a second, beside what the encoder alone allows."""
    figures, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        small, large = (write_photos(Path(folder), size, count) for size, count in ((SMALL, 100), (LARGE, 16)))
        for measure in (
            lambda: _cold(small[0], turns=5 if quick else 20),
            lambda: _others(small[0], Path(folder), peer_python, turns=1 if quick else 3),
            lambda: _warm("500 x 375", small, 0.75, turns=2 if quick else 8),
            lambda: _warm("12 megapixels", large, 0.85, turns=2 if quick else 8),
            lambda: _search(small, turns=2 if quick else 8),
            lambda: _growth(small, Path(folder), (100, 400) if quick else (100, 1000, 10_000)),
        ):
            found, found_rows = measure()
            figures |= found
            rows += found_rows
    lines = ["| figure | measured | mark | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {found} | {mark} | {('reached' if is_reached else 'missed') if mark else ''} |"
        for what, found, mark, is_reached in rows
    ]
    return figures | {"table": "\n".join(lines)}


def _cold(photo: Path, turns: int) -> tuple[dict, list[Row]]:
    """Whole processes, from their start to their end."""

    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run(command, check=True, capture_output=True)

    one_caption = [*_CAPTIONER, "caption", str(photo)]
    commands = {
        "import tensorflow": run(sys.executable, "-c", "import tensorflow"),
        "caption": run(*one_caption),
        "imports": run(sys.executable, "-c", "import numpy, PIL.Image, ai_edge_litert.interpreter, click"),
        "import click": run(sys.executable, "-c", "import click"),
        "--help": run(*_CAPTIONER, "--help"),
        "--version": run(*_CAPTIONER, "--version"),
    }
    tensorflow, _ = seconds_in_turn({"import tensorflow": commands.pop("import tensorflow")}, 2)
    taken, _ = seconds_in_turn(commands, turns)
    seconds = medians(tensorflow | taken)
    beyond = median(np.subtract(taken["caption"], taken["imports"]))
    memory = peak_memory(one_caption)
    of_tensorflow = seconds["caption"] / seconds["import tensorflow"]
    of_click = {name: seconds[name] / seconds["import click"] for name in ("--help", "--version")}
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", *_CAPTIONER[1:], "--help"], check=True, capture_output=True, text=True
    )
    loads_numpy = "numpy" in imported.stderr
    rows = [
        (
            "first caption, whole process, of `import tensorflow`",
            f"{seconds['caption']:.2f} s of {seconds['import tensorflow']:.1f} s: {of_tensorflow:.3f}",
            "at most 0.10",
            of_tensorflow <= 0.10,
        ),
        (
            "the same, beyond importing NumPy, Pillow, LiteRT and Click",
            f"{1000 * beyond:.0f} ms",
            "under 100 ms",
            beyond < 0.1,
        ),
        *(
            (
                f"`captioner {name}`, of `import click`",
                f"{1000 * seconds[name]:.0f} ms: {share:.2f}",
                "at most 2, without NumPy",
                share <= 2 and not loads_numpy,
            )
            for name, share in of_click.items()
        ),
        ("peak memory of that caption", f"{memory / 1e6:.0f} MB", "at most 150 MB", memory <= 150e6),
    ]
    return {"cold_seconds": seconds, "beyond_imports_seconds": beyond, "peak_bytes": memory}, rows


def _others(photo: Path, folder: Path, peer_python: str | None, turns: int) -> tuple[dict, list[Row]]:
    """The first caption by other ways, whole processes as well; what is not installed is left out.

    peer_python: of an environment that has PyTorch and transformers.
    """
    here = Path(__file__).parent
    commands = {
        "captioner": [*_CAPTIONER, "caption", str(photo)],
        "its Keras networks": [sys.executable, str(here / "keras_path.py"), str(photo)],
    }
    if peer_python is not None:
        blip = [peer_python, str(here / "blip_path.py")]
        subprocess.run([*blip, "make", str(folder / "blip")], check=True, capture_output=True)
        commands["BLIP-base (PyTorch)"] = [*blip, "caption", str(folder / "blip"), str(photo)]

    def run(command: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run(command, check=True, capture_output=True)

    seconds = medians(seconds_in_turn({name: run(command) for name, command in commands.items()}, turns)[0])
    memory = {name: peak_memory(command) for name, command in commands.items()}
    found = {name: {"seconds": seconds[name], "peak_bytes": memory[name]} for name in commands}
    rows = [
        (
            f"first caption by {name}, beside captioner's",
            f"{seconds[name]:.1f} s and {memory[name] / 1e6:,.0f} MB:"
            f" {seconds[name] / seconds['captioner']:.0f} and {memory[name] / memory['captioner']:.0f} times as much",
            "",
            True,
        )
        for name in list(commands)[1:]
    ]
    return {"first_caption": found}, rows


def _warm(name: str, photos: list[Path], mark: float, turns: int) -> tuple[dict, list[Row]]:
    """Photos a second beside bare loops over the same photos that read and encode, and never speak."""
    captioner = Captioner.load()
    size = captioner.encoder.image_size
    copies = Encoder.a_photo_a_core(captioner.folder.encoder_graph_path, captioner.folder.encoder.key)
    alone = captioner.encoder  # a photo has all cores

    def one_after_the_other():
        for photo in photos:
            alone(read_image(photo, size)[None])

    def a_photo_a_core():
        for _ in map_ahead(lambda photo: copies(read_image(photo, size)[None]), photos, default_threads()):
            pass

    loops = {
        "one after the other": one_after_the_other,
        "a photo a core": a_photo_a_core,
        "captions": lambda: list(captioner.caption_stream(photos)),
    }
    speeds = {loop: len(photos) / seconds for loop, seconds in medians(seconds_in_turn(loops, turns)[0]).items()}
    share = speeds["captions"] / speeds["one after the other"]
    best = speeds["captions"] / speeds["a photo a core"]
    return {f"photos_per_second, {name}": speeds}, [
        (
            f"photos a second, {name}, of a bare loop",
            f"{speeds['captions']:.1f} of {speeds['one after the other']:.1f}: {share:.2f}"
            f" ({best:.2f} of a loop with a photo a core)",
            f"at least {mark}",
            share >= mark,
        )
    ]


def _search(photos: list[Path], turns: int) -> tuple[dict, list[Row]]:
    """Beam search, photos batched, beside the encoder, each with one thread."""
    captioner = Captioner.load(threads=1)
    images = [read_image(photo, captioner.encoder.image_size)[None] for photo in photos]
    features = [captioner.encoder(image) for image in images]
    decoder, options = captioner.decoder, captioner.folder.decoding

    def begun() -> Iterator[dict[str, np.ndarray]]:
        return ({name: array[0] for name, array in decoder.begin(each).items()} for each in features)

    taken = medians(
        seconds_in_turn(
            {
                "encoder": lambda: [captioner.encoder(image) for image in images],
                "begin": lambda: list(begun()),
                "begin and search": lambda: list(
                    beam_search_stream(decoder.step, begun(), options, DEFAULT_BATCH_SIZE)
                ),
            },
            turns,
        )[0]
    )
    milliseconds = {name: 1000 * seconds / len(photos) for name, seconds in taken.items()}
    search = milliseconds["begin and search"] - milliseconds["begin"]
    share = search / milliseconds["encoder"]
    return {"milliseconds_a_photo": milliseconds}, [
        (
            "beam search a photo, batched, of the encoder (one thread)",
            f"{search:.1f} ms of {milliseconds['encoder']:.1f} ms: {share:.2f}"
            f" (with what a photo begins with: {milliseconds['begin and search'] / milliseconds['encoder']:.2f})",
            "at most 0.30",
            share <= 0.30,
        )
    ]


def _growth(photos: list[Path], folder: Path, sizes: tuple[int, ...]) -> tuple[dict, list[Row]]:
    """The command over ever larger folders: photos a second, its start apart, and memory in the largest."""
    start = min(_caption_folder(photos, folder, 1)[0] for _ in range(3))
    speeds, memory = {}, []
    for size in sizes:
        seconds, memory = _caption_folder(photos, folder, size)
        speeds[size] = (size - 1) / (seconds - start)
    tenth = len(memory) // 10 + 1
    first, last = max(memory[:tenth]), max(memory[-tenth:])
    return {"photos_per_second_of": speeds, "resident_bytes": memory[:: max(1, len(memory) // 100)]}, [
        (
            f"memory over {sizes[-1]:,} photos, most in the first tenth of the time and in the last",
            f"{first / 1e6:.0f} MB, {last / 1e6:.0f} MB",
            "no more in the last",
            last <= 1.02 * first,
        ),
        (
            "photos a second, start apart, of " + ", ".join(f"{size:,}" for size in sizes),
            ", ".join(f"{speed:.1f}" for speed in speeds.values()),
            "the same",
            min(speeds.values()) >= 0.9 * max(speeds.values()),
        ),
    ]


def _caption_folder(photos: list[Path], folder: Path, size: int) -> tuple[float, list[int]]:
    """Seconds of a whole process that captions so many photos, and its resident bytes all along (Linux)."""
    source = folder / f"many{size}"
    source.mkdir(exist_ok=True)
    for number in range(size):
        if not (link := source / f"{number:06}.jpg").exists():
            os.link(photos[number % len(photos)], link)
    command = [*_CAPTIONER, "caption", str(source), "-f", "jsonl", "-o", str(folder / f"many{size}.jsonl")]
    return seconds_and_memory(command)
