"""The model's own two files: they are LiteRT's already."""

import shutil
from pathlib import Path

from captioner.inference import Captioner
from captioner.model_folder import DECODER_GRAPH, ENCODER_GRAPH


def write(captioner: Captioner, folder: Path) -> dict:
    """Copies `encoder.tflite` and `decoder.tflite`; returns their signatures, each with its file."""
    model, described = captioner.folder, {}
    for file, source, signatures in (
        (ENCODER_GRAPH, model.encoder_graph_path, captioner.encoder.signatures),
        (DECODER_GRAPH, model.path / DECODER_GRAPH, captioner.decoder.signatures),
    ):
        shutil.copyfile(source, folder / file)
        described |= {name: {"file": file} | signature for name, signature in signatures.items()}
    return described
