"""ImageFolder: photos beside a `metadata.jsonl` or `metadata.csv` with `file_name` and `text`."""

from collections.abc import Iterator
from pathlib import Path

from captioner.datasets import jsonl, tables
from captioner.datasets.columns import Columns
from captioner.datasets.examples import Problem
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError

_FORMATS = {".csv": tables.FILE}  # by suffix; anything else is JSON Lines


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file."""
    if path.stem.lower() != "metadata":  # by its name alone it differs from the formats it is written in
        raise DatasetError(f"{path}: not named metadata.jsonl or metadata.csv")
    _FORMATS.get(path.suffix.lower(), jsonl.FILE).check(path, columns)


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    return _FORMATS.get(path.suffix.lower(), jsonl.FILE).records(path, columns, problems)


FILE = FileFormat(("metadata.jsonl",), ("metadata.csv",), check, records, has_columns=True)
