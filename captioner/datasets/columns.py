"""Which columns of a table, or fields of a JSON object, hold photo, captions and split."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

IMAGE_NAMES = ("image", "file_name", "filename", "image_name", "image_path", "path", "file")
CAPTION_NAMES = ("caption", "captions", "text", "comment", "description")
SPLIT_NAME = "split"
_NUMBER = re.compile(r"[ _.-]?\d{1,3}$")  # as in caption_0
_MOST_NAMED = 20


@dataclass(frozen=True)
class Columns:
    """The names that the user gave; None and () mean the usual ones."""

    image: str | None = None
    captions: tuple[str, ...] = ()


class Found(NamedTuple):
    """The names as the file writes them."""

    image: str
    captions: tuple[str, ...]  # one, or several that hold a caption each
    split: str | None


@lru_cache(64)  # the objects of a file are nearly always alike
def find_columns(columns: Columns, present: tuple[str, ...]) -> Found:
    """Captions are in the columns that were asked for, or in all that have one usual name, numbered or not.

    Raises: ValueError that names what is missing, and what is there.
    """
    name_of = {_plain(name): name for name in reversed(present)}  # of equal ones the first counts
    missing = []
    accepted = IMAGE_NAMES if columns.image is None else (columns.image,)
    image = next((name_of[_plain(name)] for name in accepted if _plain(name) in name_of), None)
    if image is None:
        missing.append(" or ".join(accepted))
    if columns.captions:
        captions = [name_of[_plain(name)] for name in columns.captions if _plain(name) in name_of]
        missing += [name for name in columns.captions if _plain(name) not in name_of]
    else:
        captions = next(filter(None, (_numbered(name, present) for name in CAPTION_NAMES)), [])
        missing += [" or ".join(CAPTION_NAMES)] * (not captions)
    if missing:
        named = [" ".join(name.split()) for name in present[:_MOST_NAMED]] + ["..."] * (len(present) > _MOST_NAMED)
        raise ValueError(f"no column {', and none '.join(missing)}; found {', '.join(named) or 'none'}")
    return Found(image, tuple(dict.fromkeys(captions)), name_of.get(SPLIT_NAME))


def _plain(name: str) -> str:
    return name.strip().lower()


def _numbered(usual: str, present: tuple[str, ...]) -> list[str]:
    """All that have that name, with a number behind it or without."""
    return [name for name in present if usual in (_plain(name), _NUMBER.sub("", _plain(name)))]


def filled(values: list) -> list:
    """The captions of several columns without those that are left empty, where not all are."""
    there = [value for value in values if value is not None and not (isinstance(value, str) and not value.strip())]
    return (there or values[:1]) if len(values) > 1 else values
