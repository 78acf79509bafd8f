"""Flickr8k's official layout: a token file, lists of the splits, a folder of photos (Hodosh et al. 2013)."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from captioner.datasets.annotation_files import Source
from captioner.datasets.columns import Columns
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Example, Problem, leads_outside
from captioner.datasets.lines import read_lines
from captioner.datasets.photo_names import PhotoNames, twins
from captioner.datasets.records import FileFormat, Record, read_photos
from captioner.errors import DatasetError

TOKEN_FILE = "Flickr8k.token.txt"
PHOTO_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")  # the first is the official spelling
SPLIT_FILES = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
UNPUBLISHED = "2258277193_586949ec62.jpg.1"  # captioned in the official token file, in no official folder or split

_LINE = re.compile(r"(?P<image>[^\t]+)#\d+\t(?P<caption>.*)")
_CHINESE_LINE = re.compile(r"(?P<image>\S+)#zh[a-z]+#\d+\s(?P<caption>.*)")  # of Flickr8k-CN
_EXPECTED = "expected name.jpg#0, a tab, then the caption"
_GLANCE = 10  # lines that tell whether a file is one of tokens


def detect(source: Path) -> bool:
    return _find(source, TOKEN_FILE) is not None or any(_find(source, name) for name in SPLIT_FILES.values())


def read(source: Source) -> Annotations:
    """The photos of the splits, in the order of the split files, each with its captions.

    Any split file may be absent; photos in no split are left out, unless there is no split file at all.
    Raises: DatasetError when the token file or the photo folder is missing.
    """
    captions_path = source.captions_path or _find(source.path, TOKEN_FILE)
    if captions_path is None:
        raise DatasetError(f"{source.path}: no {TOKEN_FILE} in it; name the caption file with --captions")
    images_dir = source.images_dir or (_find_photo_folder(source.path) if source.photos_needed else source.path)
    annotations = Annotations(images_dir)
    photos = read_photos(captions_path, source.captions_format or FILE, source.columns, annotations.problems)
    named = list(_named_photos(source.path, photos, annotations.problems))
    captioned, exact_only = PhotoNames(photos), twins(name for _, name in named)
    present = _list_photos(images_dir) if source.photos_needed else None
    for split, name in named:
        image = name if present is None else present.find(name, exact_only)
        captions_name = captioned.find(name, exact_only)
        if leads_outside(name):
            annotations.problems.append(Problem("broken line", name, "leads outside the photo folder"))
        elif image is None:
            detail = f"{split} split" if split else ""
            annotations.problems.append(Problem("missing photo", name, detail, lost=name != UNPUBLISHED))
        elif captions_name is None or not photos[captions_name].captions:
            annotations.problems.append(Problem("no caption", image, lost=False))
        else:
            annotations.examples.append(Example(image, tuple(photos[captions_name].captions), split))
    return annotations


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when none of a file's first lines is one of a token file."""
    first = list(islice(read_lines(path, []), _GLANCE))
    if not any(_match(line) for _, line in first):
        raise DatasetError(f"{path}: {_EXPECTED}" if first else f"{path}: the file is empty")


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    for number, line in read_lines(path, problems):
        match = _match(line)
        if match:
            yield Record(f"line {number}", match["image"], [match["caption"]])
        else:
            problems.append(Problem("broken line", f"{path}, line {number}", _EXPECTED))


def _match(line: str) -> re.Match | None:
    return _CHINESE_LINE.match(line) or _LINE.match(line)


def _named_photos(source: Path, photos: dict, problems: list[Problem]):
    """`(split, name)` of every photo the split files name; without split files, of every captioned photo."""
    split_paths = {split: _find(source, name) for split, name in SPLIT_FILES.items()}
    if not any(split_paths.values()):
        yield from ((None, name) for name in photos)
        return
    seen: dict[str, str] = {}
    for split, path in split_paths.items():
        for number, name in read_lines(path, problems) if path else ():
            if name in seen:
                detail = f"{name} is in the {seen[name]} split already"
                problems.append(Problem("broken line", f"{path}, line {number}", detail))
                continue
            seen[name] = split
            yield split, name


def _find(source: Path, name: str) -> Path | None:
    """The entry of that name in the source or one folder below, as the archives unpack; not in folders of splits."""
    below = (path for path in sorted(source.glob(f"*/{name}")) if path.parent.name.lower() not in SPLIT_NAMES)
    for candidate in (source / name, *below):
        if os.path.exists(candidate):  # which, unlike in pathlib, is no where there is no permission to look
            return candidate
    return None


def _find_photo_folder(source: Path) -> Path:
    for name in PHOTO_FOLDERS:
        folder = _find(source, name)
        if folder is not None and folder.is_dir():
            inner = folder / name
            return inner if inner.is_dir() else folder
    raise DatasetError(f"{source}: no folder {PHOTO_FOLDERS[0]} in it; name the photo folder with --images")


def _list_photos(images_dir: Path) -> PhotoNames:
    try:
        return PhotoNames(entry.name for entry in images_dir.iterdir())
    except OSError as error:
        raise DatasetError(f"{images_dir}: {error.strerror or error}") from error


FILE = FileFormat((TOKEN_FILE,), (), check, records)
