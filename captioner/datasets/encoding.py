"""Photos on their way into the feature cache: read and encoded a few at a time, written in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
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
class WantedPhoto:
    """A photo whose features are wanted in the cache.

    stamp: its `photo_stamp`, taken before it is read, so that a later change will show. views: by the names they
    have in the cache.
    """

    path: Path
    stamp: list[int]
    views: Mapping[str, View]

    def lacking(self, cache: FeatureCache) -> "WantedPhoto | None":
        """The photo with those of its views that the cache does not have as they are now; None where it has all."""
        views = {name: view for name, view in self.views.items() if not cache.is_fresh(name, self.stamp)}
        return replace(self, views=views) if views else None


def encode_into(
    cache: FeatureCache, wanted: Sequence[WantedPhoto], encoder, threads: int, say: Callable[[str], None]
) -> Iterator[tuple[WantedPhoto, ImageError | None]]:
    """Encodes into the cache what it lacks of the photos; gives each as it is done, with what kept it from being read.

    First come the photos that are there already, then the others in order.
    encoder: has `quantization`, `image_size` and `encode(images: (photos, size, size, 3) uint8) -> (photos, regions,
    depth)`, which is called from `threads` threads. say: told when another process is writing to the cache.
    Raises: DatasetError when the cache cannot be written.
    """

    def encode(photo: WantedPhoto) -> np.ndarray | ImageError:
        try:
            images = look_at(photo, encoder.image_size)
        except ImageError as error:
            return error
        # each by itself: what a photo gives must not hang on those beside it
        return np.concatenate([encoder.encode(image[None]) for image in images])

    with cache.writing(encoder.quantization, say) as write:
        lacking = [photo.lacking(cache) for photo in wanted]
        waiting = [photo for photo in lacking if photo is not None]
        yield from ((photo, None) for photo, rest in zip(wanted, lacking, strict=True) if rest is None)
        with closing(map_ahead(encode, waiting, threads)) as encoded:
            for photo, features in zip(waiting, encoded, strict=True):
                if isinstance(features, ImageError):
                    yield photo, features
                else:
                    write(list(photo.views), [photo.stamp] * len(photo.views), features)
                    yield photo, None


def look_at(photo: WantedPhoto, size: int) -> list[np.ndarray]:
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
