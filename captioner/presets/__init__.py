"""The shipped models, and the way from a name or a folder to a model."""

from pathlib import Path

from captioner.errors import ModelError
from captioner.model_folder import ModelFolder
from captioner.preset_names import PRESET_NAMES

PRESETS = {name: Path(__file__).parent / name for name in PRESET_NAMES}
_ENCODERS = Path(__file__).parents[1] / "encoders" / "weights"
# By the precision of their arithmetic: shipped encoders, which presets that learned from their features share.
SHARED_ENCODERS = {
    "int8": _ENCODERS / "efficientnet-lite2-320.int8.tflite",
    "float": _ENCODERS / "efficientnet-lite2-320.tflite",
}


def open_model(name_or_dir: str | Path) -> ModelFolder:
    """A preset by its name, or a model folder by its path; a folder named like a preset needs `./`, or a `Path`.

    Raises: ModelError when it is neither, or when the folder is not whole.
    """
    is_name = isinstance(name_or_dir, str)
    if is_name and name_or_dir in PRESETS:
        name_or_dir = PRESETS[name_or_dir]
    path = Path(name_or_dir)
    if not name_or_dir or (is_name and len(path.parts) <= 1 and not path.exists()):
        raise ModelError(f"unknown preset {name_or_dir!r}; choose {', '.join(PRESETS)}, or give a model folder")
    return ModelFolder.open(path, SHARED_ENCODERS)
