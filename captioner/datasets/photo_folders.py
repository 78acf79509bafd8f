"""Finding the photos that annotations name: in which folder they are, and under what exact name."""

import os
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

from captioner.images import IMAGE_SUFFIXES

_SAMPLE = 100  # names that decide on a folder
_MOST_FOLDERS = 200  # that are looked into, the nearest first


class PhotoFinder:
    """Looks photos up in listings, each folder read once: much faster than asking for every photo, on a network."""

    def __init__(self):
        self._names_in = cache(_names_in)

    def find(self, folder: Path, name: str) -> str | None:
        """The photo's exact name below the folder: also with / for \\, or with the suffix that a bare id lacks."""
        for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
            inner, _, last = candidate.rpartition("/")
            present = self._names_in(os.path.join(folder, inner))
            if last in present:
                return candidate
            for suffix in () if os.path.splitext(last)[1].lower() in IMAGE_SUFFIXES else _SUFFIXES:
                if last + suffix in present:
                    return candidate + suffix
        return None

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
        folders_of: dict[str, list[Path]] = {}
        for folder in folders:
            for present in self._names_in(os.fspath(folder)):
                folders_of.setdefault(present, []).append(folder)
        found = {}
        for name in names:
            last = name.replace("\\", "/").rpartition("/")[2]
            holding = {(f, p) for p in (last, *(last + suffix for suffix in _SUFFIXES)) for f in folders_of.get(p, ())}
            if len(holding) == 1:
                (found[name],) = holding
        return found


def candidate_folders(tops: list[Path]) -> list[Path]:
    """Those folders and what is below them, the nearest first."""
    return list(islice(dict.fromkeys(f for top in tops for f in (top, *folders_below(top))), _MOST_FOLDERS))


_SUFFIXES = tuple(sorted(IMAGE_SUFFIXES)) + tuple(sorted(suffix.upper() for suffix in IMAGE_SUFFIXES))


def _names_in(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()


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
