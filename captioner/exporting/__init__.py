"""A model as other tools open it, without captioner; importing this loads neither TensorFlow nor NumPy.

Whatever the format, an export is a folder of three functions - `encode`, `begin` and `step` - with the vocabulary,
the model card, and `model.json`, which says what a program needs to know to caption with them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from captioner import __version__
from captioner.files import folder_written_whole, write_json

if TYPE_CHECKING:
    from captioner.inference import Captioner

DESCRIPTION = "model.json"


def _litert(captioner: Captioner, folder: Path) -> dict:
    from captioner.exporting import litert

    return litert.write(captioner, folder)


def _onnx(captioner: Captioner, folder: Path) -> dict:
    from captioner.exporting import onnx_files

    return onnx_files.write(captioner, folder)


def _saved_model(captioner: Captioner, folder: Path) -> dict:
    from captioner.exporting import saved_model

    return saved_model.write(captioner, folder)


# Each writes the functions of a model into a folder, and says where they are and what they take and give:
# {"encode": {"file", "inputs": {name: {"dtype", "shape"}}, "outputs": ...}, "begin": ..., "step": ...}. An array of
# integers that stand for real numbers has {"quantization": {"scale", "zero_point"}}, too.
FORMATS: dict[str, Callable[[Captioner, Path], dict]] = {
    "saved-model": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
}


def export_model(captioner: Captioner, output_dir: Path, format: str) -> None:
    """Writes the model in one of `FORMATS`, whole or not at all.

    Raises: ModelError when the model cannot be written in that format; CaptionerError when the folder is not free or
    cannot be written, or when the format needs a package that is not installed.
    """
    from captioner.model_folder import MODEL_CARD, VOCABULARY

    with folder_written_whole(output_dir) as folder:
        signatures = FORMATS[format](captioner, folder)
        for name in (VOCABULARY, MODEL_CARD):
            shutil.copyfile(captioner.folder.path / name, folder / name)
        write_json(folder / DESCRIPTION, _describe(captioner, format, signatures))


def _describe(captioner: Captioner, format: str, signatures: dict) -> dict:
    from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID

    return {
        "name": captioner.name,
        "captioner": __version__,
        "format": format,
        "image": {
            "size": captioner.encoder.image_size,
            "channels": "RGB",
            "resize": "the whole photo, upright, squeezed to size x size (bicubic), nothing cropped",
            "scaling": "none: pixels 0-255 as they are, the encoder scales them itself",
        },
        "signatures": signatures,
        "special_ids": {"pad": PAD_ID, "start": START_ID, "end": END_ID, "unk": UNK_ID},
        "decoding": captioner.folder.decoding.to_json(),
    }
