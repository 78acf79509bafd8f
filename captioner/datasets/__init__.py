"""Datasets: one file per annotation format, and the prepared dataset they all become."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captioner.datasets import flickr8k, sidecar
from captioner.datasets.examples import Annotations, Example, Problem, first_of
from captioner.datasets.prepared import Dataset, prepare, refuse_source_as_output
from captioner.errors import DatasetError, OptionsError

__all__ = [
    "FORMATS",
    "Annotations",
    "Dataset",
    "Example",
    "Format",
    "Problem",
    "prepare",
    "read_annotations",
    "refuse_source_as_output",
]


@dataclass(frozen=True)
class Format:
    """How annotations of one kind are recognised and read."""

    detect: Callable[[Path], bool]  # a folder, or a caption file
    read: Callable[..., Annotations]  # (source, captions_path, images_dir, photos_needed)


FORMATS = {
    "flickr8k": Format(flickr8k.detect, flickr8k.read),
    "sidecar": Format(sidecar.detect, sidecar.read),
}


def read_annotations(
    source: Path,
    format_name: str = "auto",
    captions_path: Path | None = None,
    images_dir: Path | None = None,
    *,
    photos_needed: bool = True,
) -> tuple[str, Annotations]:
    """The format's name and what it read.

    photos_needed: False where captions are all that is wanted: photos are not looked for, none is missing, and the
    source may be a caption file by itself.
    Raises: DatasetError when the source is missing, is of no known format, or holds nothing to learn from;
    OptionsError for an unknown format.
    """
    if format_name not in ("auto", *FORMATS):
        raise OptionsError(f"unknown format {format_name!r}; choose auto, {', '.join(FORMATS)}")
    _check_source(source, photos_needed)
    for path, option in ((captions_path, "--captions"), (images_dir, "--images")):
        if path is not None and not os.path.exists(path):
            raise DatasetError(f"{path}: no such {'file' if option == '--captions' else 'folder'} ({option})")
    if format_name == "auto":
        format_name = next((name for name, format in FORMATS.items() if format.detect(source)), None)
        if format_name is None:
            raise DatasetError(f"{source}: no dataset of a known format in it; known are {', '.join(FORMATS)}")
    annotations = FORMATS[format_name].read(source, captions_path, images_dir, photos_needed)
    if not annotations.examples:
        raise DatasetError(f"{source}: no photo with a caption was found{first_of(annotations.problems)}")
    return format_name, annotations


def _check_source(source: Path, photos_needed: bool) -> None:
    """Raises: DatasetError when it is not there, is no folder where one must be, or cannot be read."""
    if not os.path.isdir(source) and (photos_needed or not os.path.isfile(source)):
        wanted = "folder" if photos_needed else "file or folder"
        raise DatasetError(f"{source}: {f'not a {wanted}' if os.path.exists(source) else f'no such {wanted}'}")
    try:
        if os.path.isdir(source):
            os.scandir(source).close()
        else:
            source.open("rb").close()
    except OSError as error:
        raise DatasetError(f"{source}: {error.strerror or error}") from error
