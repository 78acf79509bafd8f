"""Flickr8k's official layout: a token file, lists of the splits, a folder of photos (Hodosh et al. 2013)."""

import os
import re
from pathlib import Path

from captioner.datasets.examples import (
    Annotations,
    Example,
    Problem,
    clean_caption,
    leads_outside,
    read_lines,
)
from captioner.errors import DatasetError

TOKEN_FILE = "Flickr8k.token.txt"
PHOTO_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")  # the first is the official spelling
SPLIT_FILES = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
_KEY = re.compile(r"\S[^\t]*#\d+\t")
UNPUBLISHED = "2258277193_586949ec62.jpg.1"  # captioned in the official token file, in no official folder or split


def detect(source: Path) -> bool:
    if os.path.isfile(source):
        return next((_KEY.match(line) is not None for _, line in read_lines(source, [])), False)
    return _find(source, TOKEN_FILE) is not None or any(_find(source, name) for name in SPLIT_FILES.values())


def read(
    source: Path, captions_path: Path | None = None, images_dir: Path | None = None, photos_needed: bool = True
) -> Annotations:
    """The photos of the splits, in the order of the split files, each with its captions.

    source: the folder, or its token file: then every captioned photo, of no split.
    Any split file may be absent; photos in no split are left out, unless there is no split file at all.
    captions_path: another token file in place of the official one, such as a translation.
    photos_needed: whether a photo that is not in the photo folder is left out.
    Raises: DatasetError when the token file is missing, or the photo folder where photos are needed.
    """
    is_alone = os.path.isfile(source)
    if is_alone:
        source, captions_path = source.parent, captions_path or source
    captions_path = captions_path or _find(source, TOKEN_FILE)
    if captions_path is None:
        raise DatasetError(f"{source}: no {TOKEN_FILE} in it; name the caption file with --captions")
    images_dir = images_dir or (_find_photo_folder(source) if photos_needed else source)
    annotations = Annotations(images_dir)
    captions = _read_captions(captions_path, annotations.problems)
    present = _list_photos(images_dir) if photos_needed else set()
    named = ((None, name) for name in captions) if is_alone else _named_photos(source, captions, annotations.problems)
    for split, name in named:
        if leads_outside(name):
            annotations.problems.append(Problem("broken line", name, "leads outside the photo folder"))
        elif photos_needed and name not in present:
            detail = f"{split} split" if split else ""
            annotations.problems.append(Problem("missing photo", name, detail, lost=name != UNPUBLISHED))
        elif name not in captions:
            annotations.problems.append(Problem("no caption", name, lost=False))
        else:
            annotations.examples.append(Example(name, tuple(captions[name]), split))
    return annotations


def _read_captions(path: Path, problems: list[Problem]) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for number, line in read_lines(path, problems):
        key, tab, caption = line.partition("\t")
        name, mark, index = key.rpartition("#")
        caption = clean_caption(caption)
        if not (tab and mark and name and index.isdigit() and caption):
            detail = "expected name.jpg#0, a tab, then the caption"
            problems.append(Problem("broken line", f"{path}, line {number}", detail))
            continue
        captions.setdefault(name, []).append(caption)
    return captions


def _named_photos(source: Path, captions: dict, problems: list[Problem]):
    """`(split, name)` of every photo the split files name; without split files, of every captioned photo."""
    split_paths = {split: _find(source, name) for split, name in SPLIT_FILES.items()}
    if not any(split_paths.values()):
        yield from ((None, name) for name in captions)
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
    """The entry of that name in the source or one folder below, as the archives unpack."""
    for candidate in (source / name, *sorted(source.glob(f"*/{name}"))):
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


def _list_photos(images_dir: Path) -> set[str]:
    try:
        return {entry.name for entry in images_dir.iterdir()}
    except OSError as error:
        raise DatasetError(f"{images_dir}: {error.strerror or error}") from error
