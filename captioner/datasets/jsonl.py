"""JSON Lines, or one JSON list, of objects with a photo and its caption or captions."""

import json
from collections.abc import Iterator
from pathlib import Path

from captioner.datasets.columns import Columns, find_columns
from captioner.datasets.examples import Problem
from captioner.datasets.json_entries import json_entries
from captioner.datasets.lines import read_lines
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file; only its first object is looked at."""
    problems: list[Problem] = []
    first = next(records(path, columns, problems), None)
    if first is None or problems:
        reason = f"{problems[0].where}: {problems[0].detail}" if problems else f"{path}: the file is empty"
        raise DatasetError(reason)


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    for place, entry in _objects(path, problems):
        try:
            if not isinstance(entry, dict):
                raise ValueError(f"expected a JSON object, found {type(entry).__name__}")
            found = find_columns(columns, tuple(entry))
        except ValueError as error:
            problems.append(Problem("broken line", f"{path}, {place}", str(error)))
            continue
        captions = entry[found.caption]
        captions = captions if isinstance(captions, list) else [captions]
        yield Record(place, entry[found.image], captions, entry[found.split] if found.split else None)


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
