"""The first dev photos, and what is said of them from epoch to epoch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from captioner.errors import ImageError
from captioner.images import read_thumbnail
from captioner.outputs.samples import PHOTO_SIDE, Sample
from captioner.training.run import Run

NUM_SAMPLES = 4


@dataclass(frozen=True)
class Said:
    """A caption. words: with the spaces before them; attention: (words, regions) float, None where there is none."""

    words: tuple[str, ...]
    attention: np.ndarray | None

    @property
    def text(self) -> str:
        return "".join(self.words)


class DevSamples:
    """Puts what is said beside the photos it is said of; none where there is no dev split."""

    def __init__(self, run: Run):
        self._examples = run.dataset.split("dev")[:NUM_SAMPLES] if "dev" in run.dataset.splits else []
        self._paths = [run.dataset.photo_path(example) for example in self._examples]

    @cached_property
    def _photos(self) -> list[np.ndarray]:
        return [_photo(path) for path in self._paths]

    def of(self, said: list[Said], history: list[dict]) -> list[Sample]:
        """said: after the last epoch. history: as of `Progress.samples`."""
        if not said:
            return []
        captions = [[(row["epoch"], text) for text in row["captions"]] for row in history]
        return [
            Sample(example.image, photo, example.captions, of_photo, last.words, last.attention)
            for example, photo, of_photo, last in zip(
                self._examples, self._photos, zip(*captions, strict=True), said, strict=True
            )
        ]


def _photo(path: Path) -> np.ndarray:
    """(height, width, 3) uint8; a grey square where the photo has gone since the dataset was prepared."""
    try:
        return np.asarray(read_thumbnail(path, PHOTO_SIDE))
    except ImageError:
        return np.full((PHOTO_SIDE, PHOTO_SIDE, 3), 128, np.uint8)
