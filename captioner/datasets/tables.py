"""Tables with named columns: CSV, TSV, and Kaggle's `captions.txt`, whose captions may hold commas without quotes."""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from captioner.datasets.columns import Columns, filled, find_columns
from captioner.datasets.examples import Problem
from captioner.datasets.lines import whole_lines
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError
from captioner.escaping import text_of_cell

_DELIMITERS = ",\t;|"
_MOST_LINES = 50  # of a row: a quote that is not closed by then was not meant to go on


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file; only its first line is looked at."""
    problems: list[Problem] = []
    _read_header(path, columns, whole_lines(path, problems), problems)


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    lines = whole_lines(path, problems)
    delimiter, header, found = _read_header(path, columns, lines, problems)
    image = header.index(found.image)
    captions = [place for place, name in enumerate(header) if name in found.captions]  # several may have one name
    split = header.index(found.split) if found.split else None
    for number, cells in _rows(path, lines, delimiter, problems):
        if len(cells) > len(header) and captions == [len(header) - 1]:
            cells[captions[0] :] = [delimiter.join(cells[captions[0] :])]
        if len(cells) != len(header):
            detail = f"{len(cells)} cells where the first line has {len(header)}"
            problems.append(Problem("broken line", f"{path}, line {number}", detail))
            continue
        texts = filled([text_of_cell(cells[place]) for place in captions])
        told = None if split is None else cells[split].strip()
        yield Record(f"line {number}", text_of_cell(cells[image]), texts, told)


def _read_header(path: Path, columns: Columns, lines: Iterator[tuple[int, str]], problems: list[Problem]):
    """`(delimiter, names of the columns, those found)`.

    Raises: DatasetError when the columns are not there.
    """
    number, line = next(((number, line) for number, line in lines if not line.isspace()), (0, ""))
    if problems:  # a line before this one, so this is not the header
        raise DatasetError(f"{problems[0].where}: {problems[0].detail}")
    if not line:
        raise DatasetError(f"{path}: the file is empty")
    reasons = {}
    for delimiter in _DELIMITERS:
        try:
            header = next(csv.reader([line], delimiter=delimiter, strict=True))
            return delimiter, header, find_columns(columns, tuple(header))
        except csv.Error as error:
            reasons.setdefault(0, str(error))
        except ValueError as error:
            reasons.setdefault(len(header), str(error))
    raise DatasetError(f"{path}, line {number}: {reasons[max(reasons)]}")


def _rows(path: Path, lines: Iterator[tuple[int, str]], delimiter: str, problems: list[Problem]):
    """`(number of its first line, cells)` of every row; where a quote goes wrong, its first line alone is lost."""
    waiting: deque[tuple[int, str]] = deque()
    taken: list[tuple[int, str]] = []

    def row_lines():
        while len(taken) < _MOST_LINES and (numbered := waiting.popleft() if waiting else next(lines, None)):
            taken.append(numbered)
            yield numbered[1]

    while True:
        taken.clear()
        try:
            cells = next(csv.reader(row_lines(), delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            problems.append(Problem("broken line", f"{path}, line {taken[0][0]}", f"a quote goes wrong: {error}"))
            waiting.extendleft(reversed(taken[1:]))
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield taken[0][0], cells


FILE = FileFormat(
    ("captions.csv", "captions.tsv"), ("captions.txt", "*.csv", "*.tsv"), check, records, has_columns=True
)
