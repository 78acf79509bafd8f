"""Datasets whose captions are in annotation files: finding the files, and the photos they name."""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from captioner.datasets.columns import Columns
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Example, Problem
from captioner.datasets.photo_folders import PhotoFinder, folders_below
from captioner.datasets.records import FileFormat, Photo, add_to_split, read_photos
from captioner.errors import DatasetError

_SPLIT_IN_NAME = re.compile(r"(?<![a-z])(?:train|dev|val|valid|validation|test)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where a dataset is, and what the user said about it."""

    path: Path  # a folder, or an annotation file
    images_dir: Path | None = None
    captions_path: Path | None = None  # in place of the dataset's own captions
    captions_format: FileFormat | None = None  # of that file
    columns: Columns = field(default_factory=Columns)
    photos_needed: bool = True  # False: photos are not looked for, and none is missing

    @property
    def folder(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent


def find_files(file_format: FileFormat, folder: Path, columns: Columns) -> list[Path]:
    """The annotation files in a folder, or else in those right below, as archives unpack; not in folders of splits."""
    inner = (f for f in folders_below(folder, depth=1) if f.name.lower() not in SPLIT_NAMES)
    return _files_in(file_format, folder, columns) or [p for f in inner for p in _files_in(file_format, f, columns)]


def _files_in(file_format: FileFormat, folder: Path, columns: Columns) -> list[Path]:
    telling = _matching(folder, file_format.names)
    return telling or [p for p in _matching(folder, file_format.other_names) if file_format.is_of(p, columns)]


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if os.path.isfile(path)})


def _why_none(file_format: FileFormat, source: Source) -> str:
    for path in _matching(source.path, file_format.other_names):
        try:
            file_format.check(path, source.columns)
        except DatasetError as error:
            return f"no annotation file of the format in it; {error}"
    return f"no annotation file of the format in it ({', '.join(file_format.names + file_format.other_names)})"


def read_files(file_format: FileFormat, source: Source) -> Annotations:
    """Every photo that the source's annotation files name, with its captions, in the order of the files.

    Of several files whose names tell of different splits, each is of its split.
    Raises: DatasetError when there is no such file, or one cannot be read.
    """
    paths = find_files(file_format, source.path, source.columns) if source.path.is_dir() else [source.path]
    if not paths:
        raise DatasetError(f"{source.path}: {_why_none(file_format, source)}")
    annotations = Annotations(source.images_dir or source.folder)
    finder = PhotoFinder()
    joined: dict[str, Photo] = {}
    for path, split in zip(paths, _splits_of(paths), strict=True):
        photos = read_photos(path, file_format, source.columns, annotations.problems)
        if source.photos_needed:
            near = [path.parent] if source.images_dir is None and path.is_relative_to(annotations.images_dir) else []
            photos = _with_found_names(photos, finder, near, annotations)
        for name, photo in photos.items():
            _join(joined, name, replace(photo, split=photo.split or split), path, annotations.problems)
    for name, photo in joined.items():
        if photo.captions:
            annotations.examples.append(Example(name, tuple(photo.captions), photo.split))
            if photo.number is not None:
                annotations.image_ids[photo.number] = name
        else:
            annotations.problems.append(Problem("no caption", name, lost=False))
    return annotations


def _splits_of(paths: list[Path]) -> list[str | None]:
    found = [_SPLIT_IN_NAME.findall(path.stem) for path in paths]
    splits = [SPLIT_NAMES[names[-1].lower()] if names else None for names in found]
    return splits if len(set(splits)) > 1 else [None] * len(paths)


def _with_found_names(
    photos: dict[str, Photo], finder: PhotoFinder, near: list[Path], annotations: Annotations
) -> dict[str, Photo]:
    """The photos that are on disk, by their names below the photo folder; the others become problems."""
    folder = finder.folder_of(list(photos), [*near, annotations.images_dir]) or annotations.images_dir
    inner = folder.relative_to(annotations.images_dir).as_posix()
    prefix = "" if inner == "." else f"{inner}/"
    found: dict[str, Photo] = {}
    for name, photo in photos.items():
        present = finder.find(folder, name)
        if present is None:
            detail = f"{photo.split} split" if photo.split else ""
            annotations.problems.append(Problem("missing photo", prefix + name, detail))
        else:
            _join(found, prefix + present, photo, folder, annotations.problems)
    return found


def _join(joined: dict[str, Photo], name: str, photo: Photo, where: Path, problems: list[Problem]) -> None:
    """A photo that several files, or one under several names, speak of, has the captions of all."""
    known = joined.setdefault(name, Photo())
    try:
        add_to_split(known, photo.split, name)
    except ValueError as error:
        problems.append(Problem("broken line", f"{where}", str(error)))
        return
    known.captions += photo.captions
    known.number = photo.number if known.number is None else known.number


def with_captions(annotations: Annotations, source: Source) -> Annotations:
    """The same photos and splits with the captions of `source.captions_path`, which may leave out folders of names.

    Raises: DatasetError when the file cannot be read.
    """
    problems = list(annotations.problems)
    photos = read_photos(source.captions_path, source.captions_format, source.columns, problems)
    image_of = _unambiguous_names([example.image for example in annotations.examples])
    captions: dict[str, list[str]] = {}
    for name, photo in photos.items():
        if name in image_of:
            captions.setdefault(image_of[name], []).extend(photo.captions)
        else:
            problems.append(Problem("unknown photo", name, f"{source.captions_path} captions it"))
    examples = []
    for example in annotations.examples:
        if captions.get(example.image):
            examples.append(replace(example, captions=tuple(captions[example.image])))
        else:
            problems.append(Problem("no caption", example.image, lost=False))
    return replace(annotations, examples=examples, problems=problems)


def _unambiguous_names(images: list[str]) -> dict[str, str]:
    """Every image by its name, and by the ends of it that are no other's: b.jpg for a/b.jpg."""
    images_of: dict[str, list[str]] = {}
    for image in images:
        parts = image.split("/")
        for start in range(1, len(parts)):
            images_of.setdefault("/".join(parts[start:]), []).append(image)
    return {end: found[0] for end, found in images_of.items() if len(found) == 1} | {image: image for image in images}
