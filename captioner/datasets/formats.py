"""The table of annotation formats, and which of them a folder or a file is of."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from captioner.datasets import coco, flickr8k, flickr30k, imagefolder, jsonl, karpathy, sidecar, tables
from captioner.datasets.annotation_files import Source, find_files, read_files
from captioner.datasets.columns import Columns
from captioner.datasets.examples import Annotations
from captioner.datasets.records import FileFormat
from captioner.datasets.split_folders import read_split_folders, split_folders
from captioner.errors import DatasetError


@dataclass(frozen=True)
class Format:
    """How datasets of one kind are recognised and read; `file` where their captions are in files of their own."""

    detect: Callable[[Source], bool]
    read: Callable[[Source], Annotations]
    file: FileFormat | None = None
    reads_other_captions: bool = False  # `read` heeds `Source.captions_path` by itself


def _of_files(file: FileFormat) -> Format:
    return Format(lambda source: bool(find_files(file, source.path, source.columns)), partial(read_files, file), file)


FORMATS = {  # in the order in which `auto` asks
    "flickr8k": Format(lambda source: flickr8k.detect(source.path), flickr8k.read, flickr8k.FILE, True),
    "flickr30k": _of_files(flickr30k.FILE),
    "karpathy": _of_files(karpathy.FILE),
    "coco": _of_files(coco.FILE),
    "imagefolder": _of_files(imagefolder.FILE),
    "jsonl": _of_files(jsonl.FILE),
    "csv": _of_files(tables.FILE),
    "sidecar": Format(lambda source: sidecar.detect(source.path), sidecar.read),
}


def find_format(source: Source, names: list[str]) -> tuple[str, Callable[[Source], Annotations]] | None:
    """The first of those formats that the folder is of, and what reads it; None when it is of none.

    A dataset may also be in folders named after splits, each of that format.
    """
    for name in names:
        format = FORMATS[name]
        if format.detect(source):
            return name, format.read
        if any(format.detect(Source(folder, columns=source.columns)) for folder in split_folders(source.path)):
            return name, partial(read_split_folders, format.detect, format.read)
    return None


def format_of_file(path: Path, columns: Columns) -> str:
    """The name of the format that an annotation file is of. Raises: DatasetError that says why it is of none."""
    formats = {name: format.file for name, format in FORMATS.items() if format.file}
    fitting = {name: file for name, file in formats.items() if _may_be(path, file)}
    reasons = {}
    for name, file in (fitting or formats).items():
        try:
            file.check(path, columns)
            return name
        except DatasetError as error:
            reasons.setdefault(str(error), name)
    if len(reasons) == 1:
        raise DatasetError(next(iter(reasons)))
    why = "; ".join(f"{name}: {reason.removeprefix(f'{path}').lstrip(':, ')}" for reason, name in reasons.items())
    raise DatasetError(f"{path}: of no known format ({why})")


def _may_be(path: Path, file: FileFormat) -> bool:
    return any(fnmatch(path.name.lower(), pattern.lower()) for pattern in file.names + file.other_names)


def why_no_format(folder: Path, columns: Columns) -> str:
    """What an error adds to say why a folder is of no format: what is wrong with the first file that may be of one."""
    files = [format.file for format in FORMATS.values() if format.file]
    for path in sorted(path for path in folder.iterdir() if os.path.isfile(path)):
        if any(_may_be(path, file) for file in files):
            try:
                format_of_file(path, columns)
            except DatasetError as error:
                return f"; {error}"
    return ""
