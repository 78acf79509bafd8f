"""Photos to measure with: parts of the sample photos."""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

SMALL, LARGE = (500, 375), (4000, 3000)  # pixels
_PHOTOS_DIR = Path(__file__).parents[2] / "data" / "photos"


def write_photos(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """JPEGs of that size: parts of the sample photos."""
    folder = folder / f"{size[0]}x{size[1]}"
    folder.mkdir()
    random, paths = np.random.default_rng(0), []
    for number, source in enumerate(islice(cycle(sorted(_PHOTOS_DIR.glob("*.jpg"))), count)):
        with Image.open(source) as image:
            left, top = random.uniform(0, 0.2, 2) * image.size
            right, bottom = random.uniform(0.8, 1, 2) * image.size
            part = image.convert("RGB").resize(size, box=(left, top, right, bottom))
        paths.append(folder / f"{number:04}.jpg")
        part.save(paths[-1], quality=90)
    return paths
