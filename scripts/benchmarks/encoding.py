"""What an encoder in integers costs beside the same one in float."""

import sys
import time
from pathlib import Path

import numpy as np
from benchmarks.turns import medians, seconds_in_turn

from captioner.datasets.features import RowFormat
from captioner.encoders import shipped_graph
from captioner.images import is_image_name, read_image
from captioner.inference import Encoder

_ENCODER = "efficientnet-lite2-320"
_NUM_PHOTOS, _NUM_TURNS = 50, 10
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")


def encoder_speed(photos_dir: Path | None) -> dict:
    """Milliseconds of one core a photo of the shipped encoder, in integers and in float, in turn.

    Photos are read beforehand, one thread computes. Integers gain most where the processor multiplies int8 natively,
    so the instruction sets of the machine are told.
    """
    encoders = {name: Encoder(*shipped_graph(_ENCODER, name), threads=1) for name in ("float", "int8")}
    photos = _photos(photos_dir, encoders["int8"].image_size)
    for encoder in encoders.values():
        encoder(photos[0][None])

    def encode_all(encoder):
        def run():
            for photo in photos:
                encoder(photo[None])

        return run

    loops = {name: encode_all(encoder) for name, encoder in encoders.items()}
    _, processor = map(medians, seconds_in_turn(loops, _NUM_TURNS))
    first = {name: _first_milliseconds(name, photos[0]) for name in encoders}
    milliseconds = {name: round(1000 * seconds / len(photos), 2) for name, seconds in processor.items()}
    return {
        "instruction_sets": _instruction_sets(),
        "processor_ms_per_photo": milliseconds,
        "int8_to_float": round(milliseconds["int8"] / milliseconds["float"], 3),
        "open_and_encode_one_ms": first,
        "file_mb": {name: round(shipped_graph(_ENCODER, name)[0].stat().st_size / 1e6, 2) for name in encoders},
        "bytes_per_photo": {name: _bytes_per_photo(encoder) for name, encoder in encoders.items()},
    }


def _bytes_per_photo(encoder: Encoder) -> int:
    return RowFormat(encoder.num_regions, encoder.depth, encoder.quantization).num_bytes


def _photos(photos_dir: Path | None, size: int) -> list[np.ndarray]:
    if photos_dir is None:
        return list(np.random.default_rng(0).integers(0, 256, (_NUM_PHOTOS, size, size, 3), np.uint8))
    paths = filter(is_image_name, sorted(photos_dir.iterdir()))
    return [read_image(path, size) for path, _ in zip(paths, range(_NUM_PHOTOS), strict=False)]


def _first_milliseconds(precision: str, photo: np.ndarray) -> float:
    started = time.perf_counter()
    Encoder(*shipped_graph(_ENCODER, precision), threads=1)(photo[None])
    return round(1000 * (time.perf_counter() - started), 1)


def _instruction_sets() -> list[str]:
    """Those of this processor that matter here; empty where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return []
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return [name for name in _INSTRUCTIONS if name in flags]
