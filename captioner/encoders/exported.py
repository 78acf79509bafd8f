"""Encoders that are not shipped, exported for LiteRT once and found again; importing this loads no Keras."""

import re
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from captioner.encoders import build_encoder, encoder_key
from captioner.files import make_folder
from captioner.quiet import without_native_chatter


def find_exported(name: str, folder: Path) -> Path | None:
    """The encoder's `<key>.tflite` in the folder, key = path.stem; None where there is none, or not just one."""
    pattern = re.compile(re.escape(name) + r"-[0-9a-f]{12}\.tflite")
    paths = [path for path in folder.glob("*.tflite") if pattern.fullmatch(path.name)]
    return paths[0] if len(paths) == 1 else None


def export_into(folder: Path, name: str) -> Path:
    """`<key>.tflite` in the folder, written unless it is there; its name holds the hash of the weights in it.

    Raises:
        OptionsError: no encoder has that name.
        ModelError: the weights are missing, cannot be downloaded, or do not fit.
        CaptionerError: the file cannot be written.
    """
    with without_native_chatter():  # TensorFlow greets
        from captioner.encoders import export
    with downloads_told_on_stderr():
        model = build_encoder(name)
    path = make_folder(folder) / f"{encoder_key(name, model)}.tflite"
    if not path.exists():
        export.export_encoder(model, path)
    return path


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
