"""What TensorBoard shows of a run: curves, and what is said of a few dev photos from epoch to epoch."""

from importlib.util import find_spec
from pathlib import Path

import tensorflow as tf

from captioner.outputs.samples import Sample, draw_attention

FOLDER = "tensorboard"


class Board:
    """Writes to `<output folder>/tensorboard` where TensorBoard is installed, and nothing where it is not."""

    def __init__(self, output_dir: Path):
        # tf.summary imports tensorboard, which TensorFlow does not install
        is_installed = find_spec("tensorboard") is not None
        self._writer = tf.summary.create_file_writer(str(output_dir / FOLDER)) if is_installed else None

    def add(self, row: dict, samples: list[Sample]) -> None:
        """An epoch: its row of the log as curves, the captions of dev photos as text, their attention as images."""
        if self._writer is None:
            return
        epoch = row["epoch"]
        with self._writer.as_default(step=epoch):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
            for sample in samples:
                if epoch == 1:
                    tf.summary.image(sample.image, sample.photo[None], description=" / ".join(sample.references))
                tf.summary.text(sample.image, "".join(sample.words))
                if sample.has_map:
                    tf.summary.image(f"attention/{sample.image}", draw_attention(sample)[None])
        self._writer.flush()
