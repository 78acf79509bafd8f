"""Finding the photos that annotations name: in which folder they are, and under what exact name."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

from captioner.datasets.photo_names import PhotoNames, folded, twins
from captioner.images import IMAGE_SUFFIXES

_SAMPLE = 100  # names that decide on a folder
_MOST_FOLDERS = 200  # that are looked into, the nearest first


class PhotoFinder:
    """Looks photos up in listings, each folder read once: much faster than asking for every photo, on a network."""

    def __init__(self, names: Iterable[str]):
        """names: of all photos that will be looked for."""
        self._names_in = cache(_names_in)
        self._twins = twins(names)

    def find(self, folder: Path, name: str) -> str | None:
        """The photo's exact name below the folder.

        It is also found with / for \\, with the suffix that a bare id lacks, in Unicode's other normal form, and with
        the suffix in other case; not where several files, or several names that are looked for, differ in these alone.
        """
        for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
            inner, present = self._folder_of(folder, candidate.rpartition("/")[0])
            for wanted in _with_suffixes(_last(candidate)):
                if (found := present.find(wanted, {wanted} if name in self._twins else ())) is not None:
                    return f"{inner}/{found}" if inner else found
        return None

    def why_not(self, folder: Path, name: str) -> str:
        """Why a photo was not found although there is a file of nearly that name; otherwise nothing."""
        if name in self._twins:
            return "another photo's name differs in letter case or in the form of letters alone"
        _, present = self._folder_of(folder, name.replace("\\", "/").rpartition("/")[0])
        alike = [found for wanted in _with_suffixes(_last(name.replace("\\", "/"))) for found in present.alike(wanted)]
        return f"it may be any of {', '.join(map(ascii, alike))}" if alike else ""

    def _folder_of(self, folder: Path, inner: str) -> tuple[str, PhotoNames]:
        """The exact name of a folder below, and what is in it."""
        present = self._names_in(os.path.join(folder, inner))
        if present or inner.isascii():
            return inner, present
        parts: list[str] = []
        for part in inner.split("/"):
            exact = self._names_in(os.path.join(folder, *parts)).find(part)
            if exact is None:
                return inner, present
            parts.append(exact)
        return "/".join(parts), self._names_in(os.path.join(folder, *parts))

    def folder_of(self, names: list[str], folders: list[Path]) -> Path | None:
        """Of the folders the one that holds most of a sample of the photos, the first of several such; or None."""
        sample = names[:: -(-len(names) // _SAMPLE) or 1]
        best, most = None, 0
        for folder in folders:
            found = sum(self.find(folder, name) is not None for name in sample)
            if found > most:
                best, most = folder, found
            if found == len(sample):
                break
        return best

    def find_in_any(self, names: list[str], folders: list[Path]) -> dict[str, tuple[Path, str]]:
        """Where those of the names are that one of the folders alone holds: `{name: (folder, exact name)}`."""
        places_of: dict[str, list[tuple[Path, str]]] = {}
        for folder in folders:
            for present in self._names_in(os.fspath(folder)):
                places_of.setdefault(folded(present), []).append((folder, present))
        found = {}
        for name in names:
            wanted = _with_suffixes(_last(name.replace("\\", "/")))
            holding = {place for each in wanted for place in places_of.get(folded(each), ())}
            exact = {place for place in holding if place[1] in wanted}
            if len(exact or holding) == 1 and (exact or name not in self._twins):
                (found[name],) = exact or holding
        return found


def candidate_folders(tops: list[Path]) -> list[Path]:
    """Those folders and what is below them, the nearest first."""
    return list(islice(dict.fromkeys(f for top in tops for f in (top, *folders_below(top))), _MOST_FOLDERS))


_SUFFIXES = tuple(sorted(IMAGE_SUFFIXES))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _with_suffixes(name: str) -> tuple[str, ...]:
    """The name, and where it has no suffix of a photo, the names that it may be short for."""
    if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
        return (name,)
    return (name, *(name + suffix for suffix in _SUFFIXES))


def _names_in(folder: str) -> PhotoNames:
    try:
        with os.scandir(folder) as entries:
            return PhotoNames(entry.name for entry in entries)
    except OSError:
        return PhotoNames(())


def folders_below(top: Path, depth: int = 2) -> Iterator[Path]:
    """The folders at most so deep below, those nearer to the top first; hidden ones are left out."""
    waiting = deque([(top, depth)])
    while waiting:
        folder, left = waiting.popleft()
        try:
            with os.scandir(folder) as entries:
                inner = sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
        except OSError:
            continue
        for name in inner:
            yield folder / name
            if left > 1:
                waiting.append((folder / name, left - 1))
