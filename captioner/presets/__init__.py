"""The shipped models, and the way from a name or a folder to a model."""

from pathlib import Path

from captioner.errors import ModelError
from captioner.model_folder import ModelFolder

DEFAULT_PRESET = "flickr8k"
# The two beside the default show what the other decoders do; they see through the encoder that is shared.
PRESETS = {name: Path(__file__).parent / name for name in (DEFAULT_PRESET, "flickr8k-gru", "flickr8k-rnn")}
SHARED_ENCODER = Path(__file__).parents[1] / "encoders" / "weights" / "efficientnet-lite2-320.tflite"


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
    return ModelFolder.open(path, SHARED_ENCODER)
