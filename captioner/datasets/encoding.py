"""Photos on their way into the feature cache: read and encoded a few at a time, written in order."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captioner.ahead import map_ahead
from captioner.datasets.features import FeatureCache
from captioner.errors import ImageError
from captioner.images import cropped, read_image

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """A way to look at a photo: at the part inside the box, as it is or as a mirror shows it.

    box: left, top, right and bottom, shares of the sides.
    """

    box: tuple[float, float, float, float] = WHOLE
    is_flipped: bool = False


@dataclass(frozen=True)
class WaitingPhoto:
    """A photo that the cache lacks.

    stamp: its `photo_stamp`, taken before it is read, so that a later change will show. views: by the names they
    have in the cache.
    """

    path: Path
    stamp: list[int]
    views: dict[str, View]


def encode_into(
    cache: FeatureCache, waiting: list[WaitingPhoto], encoder, threads: int
) -> Generator[tuple[WaitingPhoto, ImageError | None], None, None]:
    """Encodes photos into the cache; gives each, in order, as it is done, with the error where it cannot be read.

    encoder: `encoder(images: (photos, size, size, 3) uint8) -> (photos, regions, depth)`, called from `threads`
    threads, with `image_size`.
    Raises: DatasetError when the cache cannot be written.
    """

    def encode(photo: WaitingPhoto) -> np.ndarray | ImageError:
        try:
            images = look_at(photo, encoder.image_size)
        except ImageError as error:
            return error
        # each by itself: what a photo gives must not hang on those beside it
        return np.concatenate([encoder(image[None]) for image in images])

    write = cache.writer(sum(len(photo.views) for photo in waiting))
    with closing(map_ahead(encode, waiting, threads)) as encoded:
        for photo, features in zip(waiting, encoded, strict=True):
            if isinstance(features, ImageError):
                yield photo, features
            else:
                write(list(photo.views), [photo.stamp] * len(photo.views), features)
                yield photo, None


def look_at(photo: WaitingPhoto, size: int) -> list[np.ndarray]:
    """What its views show, in order: (size, size, 3) uint8 each. Raises: ImageError when it cannot be read."""
    boxes = {view.box for view in photo.views.values()}
    # crops are cut from more pixels than the whole needs, so that they are as sharp
    sizes = {size} if WHOLE in boxes else set()
    sizes |= {2 * size} if boxes - {WHOLE} else set()
    squares = {size: read_image(photo.path, size) for size in sizes}

    def seen(view: View) -> np.ndarray:
        image = squares[size] if view.box == WHOLE else cropped(squares[2 * size], view.box, size)
        return np.ascontiguousarray(image[:, ::-1]) if view.is_flipped else image

    return [seen(view) for view in photo.views.values()]
