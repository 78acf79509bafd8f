"""Photos on their way into the feature cache: read and encoded a few at a time, written in order."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captioner.datasets.features import FeatureCache
from captioner.errors import ImageError
from captioner.images import map_ahead, read_image


@dataclass(frozen=True)
class WaitingPhoto:
    """A photo that the cache lacks.

    stamp: its `photo_stamp`, taken before it is read, so that a later change will show. views: by the names they
    have in the cache, False for the photo as it is, True for what a mirror shows.
    """

    path: Path
    stamp: list[int]
    views: dict[str, bool]


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
            image = read_image(photo.path, encoder.image_size)
        except ImageError as error:
            return error
        views = (image[:, ::-1] if is_flipped else image for is_flipped in photo.views.values())
        # each by itself: what a photo gives must not hang on those beside it
        return np.concatenate([encoder(np.ascontiguousarray(view[None])) for view in views])

    write = cache.writer(sum(len(photo.views) for photo in waiting))
    with closing(map_ahead(encode, waiting, threads)) as encoded:
        for photo, features in zip(waiting, encoded, strict=True):
            if isinstance(features, ImageError):
                yield photo, features
            else:
                write(list(photo.views), [photo.stamp] * len(photo.views), features)
                yield photo, None
