"""COCO captions: JSON with `images` and `annotations` (Chen et al. 2015)."""

from collections.abc import Iterator
from pathlib import Path

from captioner.datasets.columns import Columns
from captioner.datasets.examples import Problem
from captioner.datasets.json_entries import json_entries
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError

_FIELDS = {"images": ("id", "file_name"), "annotations": ("image_id", "caption")}
_EXPECTED = "expected images with id and file_name, and annotations with image_id and caption"


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file; only its first entry is looked at."""
    entry = next(json_entries(path, tuple(_FIELDS)), None)
    if entry is None or _values(entry.section, entry.value) is None:
        raise DatasetError(f"{path}{', ' + entry.place if entry else ''}: {_EXPECTED}")


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    name_of: dict[str, object] = {}
    early = []  # annotations that come before their image
    for place, section, value in json_entries(path, tuple(_FIELDS)):
        values = _values(section, value)
        if values is None:
            detail = f"expected an object with {' and '.join(_FIELDS[section])}"
            problems.append(Problem("broken line", f"{path}, {place}", detail))
            continue
        image_id, content = str(values[0]), values[1]
        if section == "annotations" and image_id in name_of:
            yield Record(place, name_of[image_id], _listed(content))
        elif section == "annotations":
            early.append((place, image_id, content))
        elif name_of.setdefault(image_id, content) == content:
            yield Record(place, content, [], number=values[0])
        else:
            detail = f"the id {image_id} is that of {name_of[image_id]} already"
            problems.append(Problem("broken line", f"{path}, {place}", detail))
    if not name_of:
        raise DatasetError(f"{path}: {_EXPECTED}")
    for place, image_id, caption in early:
        if image_id in name_of:
            yield Record(place, name_of[image_id], _listed(caption))
        else:
            problems.append(Problem("broken line", f"{path}, {place}", f"no image has the id {image_id}"))


def _values(section: str, entry) -> list | None:
    """The two values that matter; None where they are not there."""
    if not isinstance(entry, dict) or not all(name in entry for name in _FIELDS[section]):
        return None
    return [entry[name] for name in _FIELDS[section]]


def _listed(caption) -> list:
    return caption if isinstance(caption, list) else [caption]


FILE = FileFormat(("captions_*.json",), ("*.json",), check, records)
