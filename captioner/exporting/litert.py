"""The model's own two files: they are LiteRT's already."""

import shutil
from pathlib import Path

from captioner.inference import Captioner
from captioner.model_folder import DECODER_GRAPH, ENCODER_GRAPH


def write(captioner: Captioner, folder: Path) -> dict:
    """Copies `encoder.tflite` and `decoder.tflite`; returns their signatures, each with its file."""
    described = {}
    for file, signatures in (
        (ENCODER_GRAPH, captioner.encoder.signatures),
        (DECODER_GRAPH, captioner.decoder.signatures),
    ):
        shutil.copyfile(captioner.folder.path / file, folder / file)
        described |= {name: {"file": file} | signature for name, signature in signatures.items()}
    return described
