"""Captions of any system, read from JSON Lines, COCO's results, a JSON object by photo, CSV or Parquet."""

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from captioner.datasets import Problem, tables
from captioner.datasets.columns import Columns
from captioner.datasets.lines import whole_lines
from captioner.errors import CaptionerError, DatasetError

NAME_KEYS = ("image", "file_name", "image_id")
CAPTION_KEYS = ("caption", "text")
Entries = Iterator[tuple[str, object]]  # the place in the file, and what stands there


@dataclass(frozen=True)
class Prediction:
    """A caption and the photo it is of; no caption where the record tells of an error."""

    photo: str | int  # a name, or a number as COCO gives its photos
    caption: str | None
    place: str  # in its file, such as "line 3"


@dataclass(frozen=True)
class Predictions:
    path: Path
    records: tuple[Prediction, ...]


def read_predictions(path: Path) -> Predictions:
    """The records of a file, in its order.

    JSON Lines: `{"image": NAME, "caption": TEXT}` a line; `file_name` and `text` will do, and so the records of
    `captioner caption -f jsonl`. COCO results: `[{"image_id": NUMBER, "caption": TEXT}, ...]`. One JSON object:
    `{NAME: TEXT, ...}`, or a list of one text. By their suffix: CSV with columns of these names, and the Parquet of
    `captioner caption`.
    Raises: CaptionerError naming file and line, or the entry of a list, of what cannot be read.
    """
    entries = _READERS.get(path.suffix.lower(), _json_entries)(path)
    records = tuple(_prediction(path, place, entry) for place, entry in entries)
    if not records:
        raise CaptionerError(f"{path}: no predictions in it")
    return Predictions(path, records)


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise CaptionerError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise CaptionerError(f"{path}: {error}") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CaptionerError(f"{path}, line {line}: not UTF-8 text") from error


def _json_entries(path: Path) -> Entries:
    text = _read_text(path)
    if text.lstrip().startswith("["):
        return _list_entries(path, text)
    by_photo = _by_photo(path, text)
    return _line_entries(path, text) if by_photo is None else _entries_by_photo(path, by_photo)


class _TwiceError(ValueError):
    """A name stands twice in an object, of which JSON would keep the last."""


def _once(pairs: list[tuple[str, object]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"{_shown(next(name for name in names if names.count(name) > 1))} is there twice")
    return content


def _by_photo(path: Path, text: str) -> dict | None:
    """The object that the whole file is, where it has captions by photo; None where it is something else."""
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except _TwiceError as error:
        raise CaptionerError(f"{path}: broken JSON ({error})") from error
    except (ValueError, RecursionError):  # several lines, or none that are JSON: they are named line by line
        return None
    if not isinstance(content, dict) or {*NAME_KEYS, *CAPTION_KEYS, "error"} & content.keys():
        return None
    return content if any(_is_said(value) for value in content.values()) else None


def _is_said(value) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(each, str) for each in value))


def _entries_by_photo(path: Path, captions: dict) -> Entries:
    for name, value in captions.items():
        if isinstance(value, list) and len(value) != 1:
            raise CaptionerError(f"{path}, {_shown(name)}: expected one caption of the photo, not {len(value)}")
        yield _shown(name), {"image": name, "caption": value[0] if isinstance(value, list) else value}


def _table_entries(path: Path) -> Entries:
    """A row a photo; where `captioner caption` wrote the table, the rows that follow with it are further candidates."""
    problems: list[Problem] = []
    try:
        columns, last = _columns_of(path), None
        has_candidates = "log_prob" in next(whole_lines(path, []), (0, ""))[1]
        for record in tables.records(path, columns, problems):
            _refuse_first(problems)
            if len(record.captions) > 1:
                raise CaptionerError(f"{path}, {record.place}: expected one caption of the photo, not several columns")
            if not (has_candidates and record.image == last):
                yield record.place, {columns.image or "image": record.image, "caption": record.captions[0]}
            last = record.image
    except DatasetError as error:
        raise CaptionerError(str(error)) from error
    _refuse_first(problems)


def _columns_of(path: Path) -> Columns:
    """Raises: DatasetError when there are none that are known."""
    try:
        tables.check(path, Columns())
        return Columns()
    except DatasetError:
        numbered = Columns(image="image_id")
        if not tables.FILE.is_of(path, numbered):
            raise
        return numbered


def _refuse_first(problems: list[Problem]) -> None:
    if problems:
        raise CaptionerError(f"{problems[0].where}: {problems[0].detail}")


def _parquet_entries(path: Path) -> Entries:
    from captioner.outputs.tables import read_records

    for number, record in enumerate(read_records(path), start=1):
        yield f"row {number}", record


_READERS: dict[str, Callable[[Path], Entries]] = {  # by suffix; anything else is JSON
    ".csv": _table_entries,
    ".tsv": _table_entries,
    ".parquet": _parquet_entries,
}


def _line_entries(path: Path, text: str) -> Entries:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", _parse(path, line, number)


def _list_entries(path: Path, text: str) -> Entries:
    for number, entry in enumerate(_parse(path, text, 1), start=1):
        yield f"entry {number}", entry


def _parse(path: Path, text: str, first_line: int):
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise CaptionerError(f"{path}, line {line}: broken JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise CaptionerError(f"{path}, line {first_line}: broken JSON ({reason})") from error


def _refuse_constant(name: str):
    raise ValueError(f"{name} is no JSON")


def _prediction(path: Path, place: str, entry) -> Prediction:
    if not isinstance(entry, dict):
        raise CaptionerError(f"{path}, {place}: expected an object with image and caption, not {_shown(entry)}")
    name_key = next((key for key in NAME_KEYS if key in entry), None)
    if name_key is None:
        raise CaptionerError(f"{path}, {place}: no photo in it; expected one of {', '.join(NAME_KEYS)}")
    photo = entry[name_key]
    is_number = name_key == "image_id" and isinstance(photo, int) and not isinstance(photo, bool)
    if not is_number and not (isinstance(photo, str) and photo.strip()):
        kind = "a number or a name" if name_key == "image_id" else "a name"
        raise CaptionerError(f"{path}, {place}: {name_key} must be {kind}, not {_shown(photo)}")
    caption_key = next((key for key in CAPTION_KEYS if key in entry), None)
    if caption_key is None and "error" in entry:
        return Prediction(photo, None, place)
    if caption_key is None:
        raise CaptionerError(f"{path}, {place}: no caption in it; expected {' or '.join(CAPTION_KEYS)}")
    if not isinstance(entry[caption_key], str):
        raise CaptionerError(f"{path}, {place}: {caption_key} must be text, not {_shown(entry[caption_key])}")
    return Prediction(photo, entry[caption_key], place)


def _shown(value) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:57]}..."
