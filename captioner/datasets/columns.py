"""Which columns of a table, or fields of a JSON object, hold photo, caption and split."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

IMAGE_NAMES = ("image", "file_name", "filename", "image_name", "image_path", "path", "file")
CAPTION_NAMES = ("caption", "captions", "text", "comment", "description")
SPLIT_NAME = "split"
_MOST_NAMED = 20


@dataclass(frozen=True)
class Columns:
    """The names that the user gave; None means the usual ones."""

    image: str | None = None
    caption: str | None = None


class Found(NamedTuple):
    """The names as the file writes them."""

    image: str
    caption: str
    split: str | None


@lru_cache(64)  # the objects of a file are nearly always alike
def find_columns(columns: Columns, present: tuple[str, ...]) -> Found:
    """Raises: ValueError that names what is missing, and what is there."""
    name_of = {name.strip().lower(): name for name in reversed(present)}  # of equal ones the first counts
    found, missing = [], []
    for asked, usual in ((columns.image, IMAGE_NAMES), (columns.caption, CAPTION_NAMES)):
        accepted = usual if asked is None else (asked,)
        found.append(next((name_of[n.strip().lower()] for n in accepted if n.strip().lower() in name_of), None))
        if found[-1] is None:
            missing.append(" or ".join(accepted))
    if missing:
        named = [" ".join(name.split()) for name in present[:_MOST_NAMED]] + ["..."] * (len(present) > _MOST_NAMED)
        raise ValueError(f"no column {', and none '.join(missing)}; found {', '.join(named) or 'none'}")
    return Found(*found, name_of.get(SPLIT_NAME))
