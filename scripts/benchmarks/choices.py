"""What was to be chosen about captioning, measured: how many photos are searched together, and by how many threads."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.photos import SMALL, write_photos
from benchmarks.turns import medians, seconds_in_turn

from captioner import Captioner
from captioner.decoding import beam_search, beam_search_stream

_BATCH_SIZES = (1, 4, 8, 16, 32, 64)


def caption_choices(turns: int) -> dict:
    """Photos a second by batch size; the search's milliseconds, streamed and not; the first caption by threads."""
    with tempfile.TemporaryDirectory() as folder:
        photos = write_photos(Path(folder), SMALL, 128)
        return {
            "photos_per_second_by_batch_size": _by_batch_size(photos, turns),
            "search_milliseconds_by_batch_size": _search_by_batch_size(photos, turns),
            "first_caption_seconds_by_threads": _first_by_threads(photos[0], 5 * turns),
            "first_caption_milliseconds": _parts_of_first(photos[0], 5 * turns),
        }


def _by_batch_size(photos: list[Path], turns: int) -> dict[int, float]:
    captioner = Captioner.load()

    def caption(size: int):
        return lambda: list(captioner.caption_stream(photos, batch_size=size))

    seconds = medians(seconds_in_turn({size: caption(size) for size in _BATCH_SIZES}, turns)[0])
    return {size: len(photos) / taken for size, taken in seconds.items()}


def _search_by_batch_size(photos: list[Path], turns: int) -> dict[str, dict[int, float]]:
    """Of a photo, one thread. streamed: whose search is over makes room; not: a batch waits for its last photo."""
    captioner = Captioner.load(threads=1)
    begun = []
    for photo in photos:
        arrays = captioner.decoder.begin(captioner.see(photo))
        begun.append({name: array[0] for name, array in arrays.items()})
    step, options = captioner.decoder.step, captioner.folder.decoding

    def streamed(size: int):
        return lambda: list(beam_search_stream(step, iter(begun), options, size))

    def in_batches(size: int):
        def search():
            for start in range(0, len(begun), size):
                batch = begun[start : start + size]
                beam_search(step, {name: np.stack([photo[name] for photo in batch]) for name in batch[0]}, options)

        return search

    found = {}
    for name, make in (("streamed", streamed), ("in batches", in_batches)):
        seconds = medians(seconds_in_turn({size: make(size) for size in _BATCH_SIZES}, turns)[0])
        found[name] = {size: 1000 * taken / len(photos) for size, taken in seconds.items()}
    return found


def _first_by_threads(photo: Path, turns: int) -> dict[int, float]:
    def caption(threads: int):
        command = [sys.executable, "-m", "captioner", "caption", str(photo), "--threads", str(threads)]
        return lambda: subprocess.run(command, check=True, capture_output=True)

    return medians(seconds_in_turn({threads: caption(threads) for threads in (1, 2)}, turns)[0])


def _parts_of_first(photo: Path, turns: int) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).with_name("first_caption.py")), str(photo)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(turns)]
    return {name: round(median(run[name] for run in runs), 1) for name in runs[0]}
