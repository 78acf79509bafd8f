"""A dataset in folders named after splits, each a whole dataset of its own."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from captioner.datasets.annotation_files import Source
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Problem
from captioner.datasets.photo_folders import folders_below

_ABOUT_PHOTOS = ("missing photo", "no caption")


def split_folders(folder: Path) -> dict[Path, str]:
    """The folders right below that are named after splits, with their split."""
    return {f: SPLIT_NAMES[f.name.lower()] for f in folders_below(folder, depth=1) if f.name.lower() in SPLIT_NAMES}


def read_split_folders(
    detect: Callable[[Source], bool], read: Callable[[Source], Annotations], source: Source
) -> Annotations:
    """What those folders hold that `detect` knows, each read by itself; their names are part of the photos' names.

    Raises: DatasetError as `read` does.
    """
    joined = Annotations(source.images_dir or source.path)
    for folder, split in split_folders(source.path).items():
        part_source = replace(source, path=folder, images_dir=_part_of(source.images_dir, folder.name))
        if not detect(part_source):
            detail = "the folder has no annotations of the format"
            joined.problems.append(Problem("no caption", folder.name, detail, lost=False))
            continue
        part = read(part_source)
        inner = Path(os.path.relpath(part.images_dir, joined.images_dir)).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        joined.examples += [replace(e, image=prefix + e.image, split=e.split or split) for e in part.examples]
        joined.problems += [replace(p, where=prefix + p.where) if p.kind in _ABOUT_PHOTOS else p for p in part.problems]
    return joined


def _part_of(images_dir: Path | None, name: str) -> Path | None:
    if images_dir is None or not (images_dir / name).is_dir():
        return images_dir
    return images_dir / name
