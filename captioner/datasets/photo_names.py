"""Names that mean one photo: with letters composed or decomposed, as a Mac's disk has them, and with .JPG or .jpg."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from functools import cached_property

from captioner.images import IMAGE_SUFFIXES

_SUFFIXES = IMAGE_SUFFIXES | {".txt", ".caption"}


def folded(name: str) -> str:
    """What is the same for names that differ in Unicode's normal form alone, or in the case of their extension."""
    name = name if name.isascii() else unicodedata.normalize("NFC", name)
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}.{suffix.lower()}" if dot and f".{suffix.lower()}" in _SUFFIXES else name


def twins(names: Iterable[str]) -> frozenset[str]:
    """Those of the names that differ only so from another one: each means no photo but that of its very name."""
    names = set(names)
    counts = Counter(map(folded, names))
    return frozenset(name for name in names if counts[folded(name)] > 1)


class PhotoNames:
    """Names that there are, looked up by what others call them."""

    def __init__(self, names: Iterable[str]):
        self._names = frozenset(names)

    def __iter__(self):
        return iter(self._names)

    def __bool__(self):
        return bool(self._names)

    def find(self, name: str, exact_only: Container[str] = ()) -> str | None:
        """That very name, or else the only one that is the same when folded, but for names that mean themselves alone.

        exact_only: these, as `twins` finds them.
        """
        if name in self._names:
            return name
        found = () if name in exact_only else self.alike(name)
        return found[0] if len(found) == 1 else None

    def alike(self, name: str) -> list[str]:
        """The names that are the same when folded, itself included."""
        return self._by_fold.get(folded(name), [])

    @cached_property
    def _by_fold(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for name in sorted(self._names):
            found[folded(name)].append(name)
        return dict(found)
