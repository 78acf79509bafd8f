"""Which photo a prediction is of: names with or without folder and extension, and COCO's numbers."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from captioner.datasets.photo_names import folded
from captioner.errors import CaptionerError
from captioner.scoring.predictions import Predictions

_NUMBERED = re.compile(r"(?:COCO_[A-Za-z0-9]+_)?([0-9]{1,18})")  # COCO's own file names, but for the extension


class PhotoNames:
    """Finds photos by what others call them.

    A name may lack folders or the extension that the photo's has, or have folders or an extension that the
    photo's lacks; what both have must be equal. Only where no photo fits so, Unicode's normal form and the letter case
    of the extension do not count. A number is one of `numbers`, or where there are none the one in a file name such as
    000000000139.jpg.
    """

    def __init__(self, photos: Iterable[str], numbers: Mapping[int, str] | None = None):
        self._photos = tuple(photos)
        self._exact = _Names(self._photos, lambda name: name)
        self._numbered: dict[int, set[str]] = defaultdict(set)
        for photo in self._photos:
            number = _NUMBERED.fullmatch(PurePosixPath(photo).stem)
            if number and not numbers:
                self._numbered[int(number[1])].add(photo)
        for number, photo in (numbers or {}).items():
            self._numbered[number].add(photo)

    def find(self, name: str | int) -> set[str]:
        """The photos that fit the name best: none where it is unknown, several where it is ambiguous."""
        if isinstance(name, int):
            return self._numbered.get(name, set()) or self.find(str(name))
        found = self._exact.find(name) or self._folded.find(name)
        if not found and re.fullmatch("[0-9]{1,18}", name):
            found = self._numbered.get(int(name), set())
        return found

    @cached_property
    def _folded(self) -> "_Names":
        return _Names(self._photos, folded)


class _Names:
    """Photos by their names, and by the ends of these. fold: gives what of a name counts."""

    def __init__(self, photos: Iterable[str], fold: Callable[[str], str]):
        self._whole, self._ends, self._fold = _Index(), _Index(), fold
        for photo in photos:
            parts = _parts(fold(photo))
            self._whole.add(parts, photo)
            for start in range(1, len(parts)):
                self._ends.add(parts[start:], photo)

    def find(self, name: str) -> set[str]:
        parts = _parts(self._fold(name))
        found = self._whole.get(parts) or self._ends.get(parts)
        for start in range(1, len(parts)):
            found = found or self._whole.get(parts[start:])
        return found


class _Index:
    """Photos by the parts of their path, and by the same without the extension."""

    def __init__(self):
        self._given, self._bare = defaultdict(set), defaultdict(set)

    def add(self, parts: tuple[str, ...], photo: str) -> None:
        self._given[parts].add(photo)
        if _bare(parts) != parts:
            self._bare[_bare(parts)].add(photo)

    def get(self, parts: tuple[str, ...]) -> set[str]:
        return self._given.get(parts) or self._bare.get(parts) or self._given.get(_bare(parts)) or set()


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _bare(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (*parts[:-1], PurePosixPath(parts[-1]).stem) if parts else parts


def quoted(name: str | int) -> str:
    """A name as an error shows it: on one line, and not without end."""
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def quoted_few(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names[:3])) + (", ..." if len(names) > 3 else "")


def match_predictions(predictions: Predictions, names: PhotoNames) -> tuple[dict[str, str | None], list[str]]:
    """Photo to caption, None where the record tells of an error; and what the predictions name that is no photo.

    Raises: CaptionerError for a name that fits several photos, and for a photo with two captions.
    """
    captions: dict[str, str | None] = {}
    places: dict[str, str] = {}
    unmatched = []
    for record in predictions.records:
        photos = names.find(record.photo)
        if len(photos) > 1:
            raise CaptionerError(
                f"{predictions.path}, {record.place}: {quoted(record.photo)} may be any of {len(photos)} photos:"
                f" {quoted_few(sorted(photos))}"
            )
        if not photos:
            unmatched += [str(record.photo)] if record.caption is not None else []
            continue
        (photo,) = photos
        if record.caption is None:
            captions.setdefault(photo, None)
        elif captions.get(photo) is not None:
            raise CaptionerError(
                f"{predictions.path}, {record.place}: a second caption for photo {quoted(photo)};"
                f" the first is in {places[photo]}"
            )
        else:
            captions[photo], places[photo] = record.caption, record.place
    return captions, unmatched
