"""One SavedModel with three signatures."""

from pathlib import Path

from captioner.exporting.functions import function_signatures, model_functions
from captioner.inference import Captioner
from captioner.model import save_signatures

FILE = "saved_model.pb"  # TensorFlow's name for it


def write(captioner: Captioner, folder: Path) -> dict:
    """Makes the folder a SavedModel of `encode`, `begin` and `step`; returns its signatures."""
    functions, network = model_functions(captioner)
    save_signatures(folder, functions, network.variables)
    return {name: {"file": FILE} | signature for name, signature in function_signatures(captioner).items()}
