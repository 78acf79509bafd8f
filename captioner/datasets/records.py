"""Annotation files of whatever format, record by record, joined into photos with all their captions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from captioner.datasets.caption_lists import captions_in
from captioner.datasets.columns import Columns
from captioner.datasets.examples import SPLIT_NAMES, Problem, clean_caption, is_text, leads_outside
from captioner.errors import DatasetError


class Record(NamedTuple):
    """A line or entry as the file has it; the values are checked when records are joined."""

    place: str  # in the file, such as "line 3"
    image: object
    captions: list  # may be empty: then the photo is only named
    split: object = None
    number: object = None  # of the photo, where the format numbers its photos


@dataclass(frozen=True)
class FileFormat:
    """A format whose captions are in files of their own."""

    names: tuple[str, ...]  # patterns of file names that tell the format by themselves
    other_names: tuple[str, ...]  # patterns of file names that may be of it: their content decides
    check: Callable[[Path, Columns], None]  # raises a DatasetError that says why a file is not of the format
    records: Callable[[Path, Columns, list[Problem]], Iterator[Record]]
    has_columns: bool = False  # whether the user may name them

    def is_of(self, path: Path, columns: Columns) -> bool:
        try:
            self.check(path, columns)
        except DatasetError:
            return False
        return True


@dataclass
class Photo:
    """What an annotation file says of one photo."""

    captions: list[str] = field(default_factory=list)
    split: str | None = None
    number: int | None = None


def read_photos(path: Path, file_format: FileFormat, columns: Columns, problems: list[Problem]) -> dict[str, Photo]:
    """The photos of an annotation file by name, in its order; what cannot be used becomes a problem.

    Raises: DatasetError when the file as a whole cannot be read.
    """
    photos: dict[str, Photo] = {}
    for record in file_format.records(path, columns, problems):
        try:
            name, split = _photo_name(record.image), _split(record.split)
            add_to_split(photos.setdefault(name, Photo()), split, name)
        except ValueError as error:
            problems.append(Problem("broken line", f"{path}, {record.place}", str(error)))
            continue
        if isinstance(record.number, int):
            photos[name].number = record.number
        for caption in record.captions:
            _add_caption(photos[name], caption, name, f"{path}, {record.place}", problems)
    return photos


def _add_caption(photo: Photo, caption, name: str, where: str, problems: list[Problem]) -> None:
    """Adds it, or all of them where it is a list in a cell."""
    try:
        texts = captions_in(caption) if isinstance(caption, str) else [caption]
    except ValueError as error:
        problems.append(Problem("broken line", where, str(error)))
        return
    for text in texts:
        if not isinstance(text, str) or not is_text(text):
            detail = "not UTF-8 text" if isinstance(text, str) else f"a caption of {name} is no text"
            problems.append(Problem("broken line", where, detail))
        elif cleaned := clean_caption(text):
            photo.captions.append(cleaned)
        else:
            problems.append(Problem("empty caption", where, name, lost=False))


def add_to_split(photo: Photo, split: str | None, name: str) -> None:
    """Raises: ValueError when the photo is in another split."""
    if None not in (photo.split, split) and photo.split != split:
        raise ValueError(f"{name} is in the {photo.split} split already")
    photo.split = photo.split or split


def _photo_name(value) -> str:
    """Raises: ValueError that says what is wrong with it."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or "\0" in value or not is_text(value):
        raise ValueError("the name of the photo is no text")
    name = value.strip()
    while name.startswith("./"):
        name = name[2:]
    if not name:
        raise ValueError("no photo is named")
    if leads_outside(name):
        raise ValueError(f"{name} leads outside the photo folder")
    return name


def _split(value) -> str | None:
    """Raises: ValueError for one that is none."""
    if value is None or value == "":
        return None
    split = SPLIT_NAMES.get(value.strip().lower()) if isinstance(value, str) else None
    if split is None:
        raise ValueError(f"unknown split {value!r}; known are {', '.join(SPLIT_NAMES)}")
    return split
