"""How fast `prepare` is beside a bare loop, and how it grows with the dataset."""

import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from benchmarks.processes import peak_memory
from benchmarks.turns import medians, seconds_in_turn
from PIL import Image

from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.encoders import shipped_graph
from captioner.encoders.opening import open_encoder
from captioner.images import is_image_name, read_image, read_images
from captioner.inference import Encoder, default_threads
from captioner.options import PrepareOptions

_ENCODER = "efficientnet-lite2-320"
_NUM_PHOTOS, _NUM_TURNS = 100, 12  # of `prepare-speed`: many short turns, as the machine may be busy now and then
_SIZES = (500, 2000, 8000)  # of `prepare-growth`


def prepare_speed(photos_dir: Path | None) -> dict:
    """Photos a second of `prepare` beside a bare loop that reads, decodes and encodes the same photos.

    All in one process and in turn, graphs opened beforehand; `prepare` reads the annotations, draws splits, and
    writes all its files. There are two bare loops, with the encoder's default threads: `sequential` reads a photo,
    then encodes it; `read_ahead` has threads that read while it encodes. The ratio is to the faster of them.
    Processor time per photo tells what is done besides, also where other programs keep the cores busy.
    """
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        noise_dir = Path(folder) / "noise"
        _write_photos(noise_dir, _NUM_PHOTOS)
        rows["noise"] = _compare_speed(noise_dir, Path(folder))
        if photos_dir is not None:
            source = Path(folder) / "photos"
            _link_photos(photos_dir, source, _NUM_PHOTOS)
            rows["photos"] = _compare_speed(source, Path(folder))
    return {"num_photos": _NUM_PHOTOS, "turns": _NUM_TURNS} | rows


def _compare_speed(source: Path, folder: Path) -> dict:
    paths = sorted(path for path in source.iterdir() if is_image_name(path))
    graph = shipped_graph(_ENCODER, PrepareOptions().encoder_precision)
    encoder, copies = Encoder(*graph), open_encoder(*graph)  # the latter as the command opens it

    def sequential():
        for path in paths:
            encoder(read_image(path, encoder.image_size)[None])

    def read_ahead():
        for image in read_images(paths, encoder.image_size, default_threads()):
            encoder(image[None])

    def prepared():
        named = NamedSource("photos", source, *read_annotations(source))
        with tempfile.TemporaryDirectory(dir=folder) as data_dir:
            output_dir = Path(data_dir) / "data"
            prepare([named], output_dir, PrepareOptions(), lambda photos: copies, default_threads())

    loops = {"sequential": sequential, "read_ahead": read_ahead, "prepare": prepared}
    wall, processor = map(medians, seconds_in_turn(loops, _NUM_TURNS))
    speeds = {name: round(len(paths) / seconds, 1) for name, seconds in wall.items()}
    return {
        "photos_per_second": speeds,
        "prepare_to_bare": round(speeds["prepare"] / max(speeds["sequential"], speeds["read_ahead"]), 3),
        "processor_ms_per_photo": {name: round(1000 * s / len(paths), 1) for name, s in processor.items()},
    }


def prepare_growth(photos_dir: Path | None) -> dict:
    """Photos a second and peak memory in MB of the whole command, its start included, as the dataset grows."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for num_photos in _SIZES:
            source = Path(folder) / f"photos{num_photos}"
            if photos_dir is None:
                _write_photos(source, num_photos)
            else:
                _link_photos(photos_dir, source, num_photos)
            started = time.perf_counter()
            peak = peak_memory([sys.executable, "-m", "captioner", "prepare", str(source), f"{source}-prepared"])
            seconds = time.perf_counter() - started
            rows[num_photos] = {"peak_mb": round(peak / 1e6), "photos_per_second": round(num_photos / seconds, 1)}
    first, last = rows[_SIZES[0]], rows[_SIZES[-1]]
    growth = {name: round(last[name] / first[name], 3) for name in first}
    return {"photos": rows, "growth_of_dataset": _SIZES[-1] / _SIZES[0], "growth": growth}


def _write_photos(folder: Path, count: int) -> None:
    """Links to a few hundred photos of noise, 500 x 375 pixels, each with a caption of its own."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < 200:
            Image.frombytes("RGB", (500, 375), os.urandom(500 * 375 * 3)).save(path, quality=85)
        else:
            os.link(folder / f"{number % 200:06}.jpg", path)
        path.with_suffix(".txt").write_text("noise of many colours on a photo\n")


def _link_photos(photos_dir: Path, folder: Path, count: int) -> None:
    """Links to the first photos of a folder, each with a caption of its own."""
    folder.mkdir()
    paths = list(islice(filter(is_image_name, sorted(photos_dir.iterdir())), count))
    if len(paths) < count:
        raise SystemExit(f"{photos_dir}: {len(paths)} photos, and {count} are needed")
    for path in paths:
        (folder / path.name).symlink_to(path.resolve())
        (folder / path.name).with_suffix(".txt").write_text("a photo of something or other\n")
