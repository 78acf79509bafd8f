"""Captions of any system, read from JSON Lines or from COCO's results JSON."""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError

NAME_KEYS = ("image", "file_name", "image_id")
CAPTION_KEYS = ("caption", "text")


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
    `captioner caption -f jsonl`. COCO results: `[{"image_id": NUMBER, "caption": TEXT}, ...]`.
    Raises: CaptionerError naming file and line, or the entry of a list, of what cannot be read.
    """
    text = _read_text(path)
    entries = _list_entries(path, text) if text.lstrip().startswith("[") else _line_entries(path, text)
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


def _line_entries(path: Path, text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", _parse(path, line, number)


def _list_entries(path: Path, text: str) -> Iterator[tuple[str, object]]:
    for number, entry in enumerate(_parse(path, text, 1), start=1):
        yield f"entry {number}", entry


def _parse(path: Path, text: str, first_line: int):
    try:
        return json.loads(text, parse_constant=_refuse_constant)
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
