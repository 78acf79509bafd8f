"""Flickr30k: a token file as Flickr8k's, or a table of `image_name| comment_number| comment` (Young et al. 2014)."""

import re
from collections.abc import Iterator
from pathlib import Path

from captioner.datasets import flickr8k
from captioner.datasets.columns import Columns
from captioner.datasets.examples import Problem
from captioner.datasets.lines import read_lines
from captioner.datasets.records import FileFormat, Record

_HEADER = re.compile(r"\s*image_name\s*\|")
_ROW = re.compile(r"(?P<image>[^|]+)\|\s*\d+\s*(?:\||\s)(?P<caption>.*)")  # one published line lacks its second bar


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file."""
    if not _is_table(path):
        flickr8k.check(path, columns)


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    if not _is_table(path):
        yield from flickr8k.records(path, columns, problems)
        return
    for number, line in read_lines(path, problems):
        row = _ROW.match(line)
        if row:
            yield Record(f"line {number}", row["image"], [row["caption"]])
        elif not _HEADER.match(line):
            detail = "expected image_name| comment_number| comment"
            problems.append(Problem("broken line", f"{path}, line {number}", detail))


def _is_table(path: Path) -> bool:
    _, first = next(read_lines(path, []), (0, ""))
    return _HEADER.match(first) is not None


FILE = FileFormat(("results_20130124.token",), ("results.csv",), check, records)
