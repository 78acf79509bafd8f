"""What TensorBoard shows of a run: curves, and what is said of a few dev photos from epoch to epoch."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tensorflow as tf

from captioner.errors import ImageError
from captioner.images import read_image
from captioner.training.run import Run

FOLDER = "tensorboard"
_NUM_PHOTOS = 4
_PHOTO_SIDE = 260  # pixels


class Board:
    """Writes to `<output folder>/tensorboard` where TensorBoard is installed, and nothing where it is not."""

    def __init__(self, run: Run):
        examples = run.dataset.split("dev") if "dev" in run.dataset.splits else []
        self._examples = examples[:_NUM_PHOTOS]
        self._photo_paths = [run.dataset.photo_path(example) for example in self._examples]
        # tf.summary imports tensorboard, which TensorFlow does not install
        is_installed = find_spec("tensorboard") is not None
        self._writer = tf.summary.create_file_writer(str(run.output_dir / FOLDER)) if is_installed else None

    def add(self, row: dict, captions: list[str]) -> None:
        """An epoch: its row of the log as curves, the captions of the first dev photos as text."""
        if self._writer is None:
            return
        epoch = row["epoch"]
        with self._writer.as_default(step=epoch):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
            for example, path, caption in zip(self._examples, self._photo_paths, captions, strict=False):
                if epoch == 1:
                    tf.summary.image(example.image, _photo(path)[None], description=" / ".join(example.captions))
                tf.summary.text(example.image, caption)
        self._writer.flush()


def _photo(path: Path) -> np.ndarray:
    """(side, side, 3) uint8; grey where the photo has gone since the dataset was prepared."""
    try:
        return read_image(path, _PHOTO_SIDE)
    except ImageError:
        return np.full((_PHOTO_SIDE, _PHOTO_SIDE, 3), 128, np.uint8)
