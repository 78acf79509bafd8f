"""The ways a train photo is looked at beside as it is: in a mirror, and cropped."""

import zlib

import numpy as np

from captioner.datasets.encoding import WHOLE, View
from captioner.training.flips import can_be_flipped, mirrored_ids
from captioner.training.run import Run

_LEAST_AREA = 0.5  # of a crop, as a share of the photo
_MOST_ASPECT = 1.16  # by which a crop may be wider or higher than the photo is


def views_of(run: Run) -> dict[str, dict[str, View]]:
    """By train photo, its other views by their names in a cache; no file can have those names, a photo being no folder.

    Every second crop is seen in a mirror, where that can be said of the photo.
    """
    options, partners = run.training, mirrored_ids(run.tokenizer)
    if options.flipped_share == options.crops == 0:
        return {}
    found = {}
    for example in run.dataset.split("train"):
        image = example.image
        can_flip = options.flipped_share > 0 and can_be_flipped(example, run.tokenizer, partners)
        found[image] = {flipped_name(image): View(is_flipped=True)} if can_flip else {}
        for number in range(options.crops):
            is_flipped = can_flip and number % 2 == 1
            name = f"{image}/crop{number}"
            found[image][flipped_name(name) if is_flipped else name] = View(_random_box(image, number), is_flipped)
    return found


def flipped_name(name: str) -> str:
    return f"{name}/flipped"


def is_crop(view: View) -> bool:
    return view.box != WHOLE


def _random_box(image: str, number: int) -> tuple[float, float, float, float]:
    """At least half of the photo; the same for the same photo, whatever the seed of a run, so that it is kept."""
    random = np.random.default_rng([zlib.crc32(image.encode("utf-8", "surrogateescape")), number])
    area = random.uniform(_LEAST_AREA, 1)
    aspect = _MOST_ASPECT ** random.uniform(-1, 1)
    width, height = min(1, (area * aspect) ** 0.5), min(1, (area / aspect) ** 0.5)
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return left, top, left + width, top + height
