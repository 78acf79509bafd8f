"""JSON Lines, or one JSON list, of objects with a photo and its captions; or one JSON object, captions by photo."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from captioner.datasets.columns import Columns, filled, find_columns
from captioner.datasets.examples import Problem
from captioner.datasets.json_entries import json_entries, json_members
from captioner.datasets.lines import read_lines
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError
from captioner.images import is_image_name

_GLANCE = 20  # members that tell whether an object is one of captions by photo


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file; only its first object is looked at."""
    problems: list[Problem] = []
    first = next(records(path, columns, problems), None)
    if first is None or problems:
        reason = f"{problems[0].where}: {problems[0].detail}" if problems else f"{path}: the file is empty"
        raise DatasetError(reason)


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    if _is_by_photo(path, columns):
        for place, name, value in json_members(path):
            yield Record(place, name, _listed(value))
        return
    for place, entry in _objects(path, problems):
        try:
            if not isinstance(entry, dict):
                raise ValueError(f"expected a JSON object, found {type(entry).__name__}")
            found = find_columns(columns, tuple(entry))
        except ValueError as error:
            problems.append(Problem("broken line", f"{path}, {place}", str(error)))
            continue
        captions = [caption for name in found.captions for caption in _listed(entry[name])]
        captions = filled(captions) if len(found.captions) > 1 else captions
        yield Record(place, entry[found.image], captions, entry[found.split] if found.split else None)


def _listed(captions) -> list:
    return captions if isinstance(captions, list) else [captions]


def _is_by_photo(path: Path, columns: Columns) -> bool:
    """Whether the file is one object of captions by photo, such as `{"1.jpg": ["a dog", "it runs"]}`.

    One that has the fields of a photo and its captions is a line of JSON Lines, and one of other texts, as of
    settings, has no names of photos.
    """
    members = []
    with suppress(DatasetError):  # what was read before it tells enough
        members.extend(islice(json_members(path), _GLANCE))
    try:
        find_columns(columns, tuple(name for _, name, _ in members))
        return False
    except ValueError:
        return any(value for _, _, value in members) and all(_may_be_captions(*member[1:]) for member in members)


def _may_be_captions(name: str, value) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, str) and (is_image_name(name) or name.isdecimal())


def _objects(path: Path, problems: list[Problem]) -> Iterator[tuple[str, object]]:
    _, first = next(read_lines(path, []), (0, ""))
    if first.lstrip().startswith("["):
        yield from ((place, value) for place, _, value in json_entries(path, ("",)))
        return
    for number, line in read_lines(path, problems):
        if line.isspace():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem("broken line", f"{path}, line {number}", f"no JSON: {error}"))


FILE = FileFormat(("captions.jsonl",), ("*.jsonl", "*.ndjson", "*.json"), check, records, has_columns=True)
