"""Encoders that are not shipped, exported for LiteRT once and found again; importing this loads no Keras."""

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from captioner.encoders import build_encoder, encoder_key, graph_key
from captioner.errors import ImageError
from captioner.files import make_folder, written_whole
from captioner.images import read_images
from captioner.quiet import without_native_chatter

_SUFFIXES = {"float": ".tflite", "int8": ".int8.tflite"}


def find_exported(name: str, precision: str, folder: Path) -> tuple[Path, str] | None:
    """The encoder's graph in the folder, and its key; None where there is none, or not just one."""
    pattern = re.compile(f"({re.escape(name)}-[0-9a-f]{{12}}){re.escape(_SUFFIXES[precision])}")
    found = [(path, match[1]) for path in folder.glob("*.tflite") if (match := pattern.fullmatch(path.name))]
    return found[0] if len(found) == 1 else None


def export_into(folder: Path, name: str, precision: str, photos: Sequence[Path]) -> tuple[Path, str]:
    """The encoder's graph in the folder, written unless it is there, and its key, which its name begins with.

    photos: by which a graph in integers is calibrated; some of them are drawn.
    Raises:
        OptionsError: no encoder has that name.
        ModelError: the weights are missing, cannot be downloaded, or do not fit.
        CaptionerError: the file cannot be written.
    """
    with without_native_chatter():  # TensorFlow greets
        from captioner.encoders import export
    with downloads_told_on_stderr():
        model = build_encoder(name)
    make_folder(folder)
    if precision == "float":
        key = encoder_key(name, model)
        path = folder / f"{key}{_SUFFIXES[precision]}"
        if not path.exists():
            export.export_encoder(model, path)
        return path, key
    return _export_integers(folder, name, model, photos)


def _export_integers(folder: Path, name: str, model, photos: Sequence[Path]) -> tuple[Path, str]:
    from captioner.encoders import integer_graph

    size = model.input_shape[1]
    drawn = integer_graph.draw_photos(photos, integer_graph.NUM_PROJECTION_PHOTOS)
    projected = integer_graph.projected_encoder(model, readable(drawn, size))
    with TemporaryDirectory() as temporary:
        unnamed = Path(temporary) / "encoder.tflite"
        calibration = readable(drawn[: integer_graph.NUM_CALIBRATION_PHOTOS], size)
        integer_graph.export_integer_encoder(projected, calibration, unnamed)
        key = graph_key(name, unnamed)
        path = folder / f"{key}{_SUFFIXES['int8']}"
        with written_whole(path) as partial_path:
            partial_path.write_bytes(unnamed.read_bytes())
    return path, key


def readable(paths: Iterable[Path], size: int) -> Iterable[np.ndarray]:
    """Those of the photos that can be read, (size, size, 3) uint8 each."""
    return (photo for photo in read_images(list(paths), size, threads=1) if not isinstance(photo, ImageError))


@contextmanager
def downloads_told_on_stderr():
    """Keras's progress goes where it belongs, and nowhere unless someone is looking."""
    import keras

    was_told = keras.config.is_interactive_logging_enabled()
    if not sys.stderr.isatty():
        keras.config.disable_interactive_logging()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if was_told:
            keras.config.enable_interactive_logging()
