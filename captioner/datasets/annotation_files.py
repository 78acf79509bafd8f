"""Datasets whose captions are in annotation files: finding the files, and the photos they name."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from captioner.datasets.columns import Columns
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Example, Problem
from captioner.datasets.photo_folders import PhotoFinder, candidate_folders, folders_below
from captioner.datasets.photo_names import PhotoNames, twins
from captioner.datasets.records import FileFormat, Photo, add_to_split, read_photos
from captioner.datasets.split_names import split_told, with_folder_splits
from captioner.errors import DatasetError


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

    Of several files whose names tell of different splits, each is of its split; photos that have none then are of that
    of the folder they lie in.
    Raises: DatasetError when there is no such file, or one cannot be read.
    """
    paths = find_files(file_format, source.path, source.columns) if source.path.is_dir() else [source.path]
    if not paths:
        raise DatasetError(f"{source.path}: {_why_none(file_format, source)}")
    annotations = Annotations(source.images_dir or source.folder)
    photos_of = {path: read_photos(path, file_format, source.columns, annotations.problems) for path in paths}
    finder = PhotoFinder(name for photos in photos_of.values() for name in photos)
    joined: dict[str, Photo] = {}
    for (path, photos), split in zip(photos_of.items(), _splits_of(paths), strict=True):
        if source.photos_needed:
            near = [path.parent] if source.images_dir is None and path.is_relative_to(annotations.images_dir) else []
            photos = _with_found_names(photos, finder, near, annotations, split_told(path.stem))
        for name, photo in photos.items():
            _join(joined, name, replace(photo, split=photo.split or split), path, annotations.problems)
    for name, photo in joined.items():
        if photo.captions:
            annotations.examples.append(Example(name, tuple(photo.captions), photo.split))
            if photo.number is not None:
                annotations.image_ids[photo.number] = name
        else:
            annotations.problems.append(Problem("no caption", name, lost=False))
    annotations.examples = with_folder_splits(annotations.examples)
    return annotations


def _splits_of(paths: list[Path]) -> list[str | None]:
    splits = [split_told(path.stem) for path in paths]
    return splits if len(set(splits)) > 1 else [None] * len(paths)


def _with_found_names(
    photos: dict[str, Photo], finder: PhotoFinder, near: list[Path], annotations: Annotations, split: str | None
) -> dict[str, Photo]:
    """The photos that are on disk, by their names below the photo folder; the others become problems.

    They are looked for in one folder, and what it lacks in the others, but never in a folder of another split, which
    may hold another photo of that name. split: that the annotation file's name tells of.
    """
    top = annotations.images_dir
    folders = candidate_folders([*near, top])
    folder = finder.folder_of(list(photos), sorted(folders, key=lambda f: _may_hold(f, split), reverse=True)) or top
    present = {name: (folder, exact) for name in photos if (exact := finder.find(folder, name)) is not None}
    missing: dict[str | None, list[str]] = {}  # by their split
    for name, photo in photos.items():
        if name not in present:
            missing.setdefault(photo.split or split, []).append(name)
    for wanted, names in missing.items():
        present |= finder.find_in_any(names, [f for f in folders if wanted is None or _may_hold(f, wanted)])
    found: dict[str, Photo] = {}
    for name, photo in photos.items():
        if name in present:
            where, exact = present[name]
            _join(found, _below(where, top) + exact, photo, where, annotations.problems)
        else:
            details = [f"{photo.split} split"] if photo.split else []
            details += [reason] if (reason := finder.why_not(folder, name)) else []
            annotations.problems.append(Problem("missing photo", _below(folder, top) + name, "; ".join(details)))
    return found


def _may_hold(folder: Path, split: str | None) -> int:
    """How well a folder's name fits the split: 2 where it tells of that one, 1 where of none, 0 where of another."""
    told = split_told(folder.name)
    return 1 if told is None else 2 * (told == split)


def _below(folder: Path, top: Path) -> str:
    inner = folder.relative_to(top).as_posix()
    return "" if inner == "." else f"{inner}/"


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
    known, exact_only = PhotoNames(image_of), twins(photos)
    captions: dict[str, list[str]] = {}
    for name, photo in photos.items():
        found = known.find(name, exact_only)
        if found is not None:
            captions.setdefault(image_of[found], []).extend(photo.captions)
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
