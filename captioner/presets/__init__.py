"""The shipped models, and the way from a name or a folder to a model."""

from pathlib import Path

from captioner.errors import ModelError
from captioner.model_folder import ModelFolder

DEFAULT_PRESET = "flickr8k"
PRESETS = {"flickr8k": Path(__file__).parent / "flickr8k"}


def open_model(name_or_dir: str | Path) -> ModelFolder:
    """A preset by its name, or a model folder by its path; a folder in the way of a preset's name needs `./`.

    Raises: ModelError when it is neither, or when the folder is not whole.
    """
    if str(name_or_dir) in PRESETS:
        return ModelFolder.open(PRESETS[str(name_or_dir)])
    path = Path(name_or_dir)
    if not path.exists() and len(path.parts) <= 1:
        raise ModelError(f"unknown preset {str(name_or_dir)!r}; choose {', '.join(PRESETS)}, or give a model folder")
    return ModelFolder.open(path)
