"""What the names of files and folders tell of splits."""

import re
from collections.abc import Iterable
from dataclasses import replace

from captioner.datasets.examples import SPLIT_NAMES, Example

_ANY = "|".join(sorted(SPLIT_NAMES, key=len, reverse=True))
_IN_NAME = re.compile(r"(?<![a-z])(?:train|dev|val|valid|validation|test)(?![a-z])", re.IGNORECASE)
_FOLDER = re.compile(rf"(?P<split>{_ANY})(?:[-_ ]?\d{{1,4}})?", re.IGNORECASE)


def split_told(name: str) -> str | None:
    """The split that the name of a file or a folder tells of, as captions_train2017 does."""
    found = _IN_NAME.findall(name)
    return SPLIT_NAMES[found[-1].lower()] if found else None


def split_of_folder(name: str) -> str | None:
    """The split that a folder is named after: train, val2014, Test; not `test drives`."""
    match = _FOLDER.fullmatch(name)
    return SPLIT_NAMES[match["split"].lower()] if match else None


def with_folder_splits(examples: Iterable[Example]) -> list[Example]:
    """The examples, those without a split given that of the folders they lie in; what lies in none of these is train.

    Folders that would put all into one split tell nothing: there is nothing to keep apart then, and a folder named
    train may hold photos of trains.
    """
    examples = list(examples)
    told = [example.split or _split_in_path(example.image) or "train" for example in examples]
    if len(set(told)) < 2 or all(_split_in_path(e.image) is None for e in examples if e.split is None):
        return examples
    return [replace(example, split=split) for example, split in zip(examples, told, strict=True)]


def _split_in_path(image: str) -> str | None:
    """Of the outermost folder that is named after a split."""
    return next((split for folder in image.split("/")[:-1] if (split := split_of_folder(folder))), None)
