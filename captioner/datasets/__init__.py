"""Datasets: one file per annotation format, and the prepared dataset they all become."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from captioner.datasets.annotation_files import Source, read_files, with_captions
from captioner.datasets.columns import Columns
from captioner.datasets.examples import Annotations, Example, Problem, first_of
from captioner.datasets.formats import FORMATS, Format, find_format, format_of_file, why_no_format
from captioner.datasets.mixing import NamedSource, name_sources
from captioner.datasets.prepared import Dataset, prepare
from captioner.datasets.prepared_files import check_output, is_prepared
from captioner.errors import DatasetError, OptionsError

__all__ = [
    "FORMATS",
    "Annotations",
    "Dataset",
    "Example",
    "Format",
    "NamedSource",
    "Problem",
    "check_output",
    "name_sources",
    "prepare",
    "read_annotations",
    "read_source",
]


def read_annotations(
    source: Path,
    format_name: str = "auto",
    captions_path: Path | None = None,
    images_dir: Path | None = None,
    *,
    image_column: str | None = None,
    caption_column: str | Sequence[str] | None = None,
    photos_needed: bool = True,
) -> tuple[str, Annotations]:
    """The format's name and what it read.

    source: a dataset's folder, or an annotation file. captions_path: captions in place of the dataset's own.
    image_column, caption_column: the columns or JSON fields that hold them, where they have no usual name; of captions
    there may be several.
    photos_needed: False where captions are all that is wanted: photos are not looked for, and none is missing.
    Raises: DatasetError when the source is missing, is of no known format, or holds nothing to learn from;
    OptionsError for an unknown format, and for options that do not go with the format.
    """
    if format_name not in ("auto", *FORMATS):
        raise OptionsError(f"unknown format {format_name!r}; choose auto, {', '.join(FORMATS)}")
    _refuse_unreadable(source)
    for path, option in ((captions_path, "--captions"), (images_dir, "--images")):
        if path is not None and not os.path.exists(path):
            raise DatasetError(f"{path}: no such {'file' if option == '--captions' else 'folder'} ({option})")
    asked = Source(
        Path(source),
        images_dir,
        captions_path,
        columns=Columns(image_column, _named(caption_column)),
        photos_needed=photos_needed,
    )
    name, annotations = _read(asked, format_name)
    if not annotations.examples:
        hint = any(problem.kind == "missing photo" for problem in annotations.problems[:1])
        advice = "; name the folder of the photos with --images" if hint else ""
        raise DatasetError(f"{source}: no photo with a caption was found{first_of(annotations.problems)}{advice}")
    return name, annotations


def _named(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns or ())


def read_source(name: str, path: Path, **options) -> NamedSource:
    """A source to prepare alone or to mix: a dataset as `read_annotations` reads it, or a folder prepared before.

    options: of `read_annotations`. Raises: as it does; DatasetError for a prepared folder that is mixed already;
    OptionsError for one with options that say how captions are laid out.
    """
    if not is_prepared(path):
        return NamedSource(name, path, *read_annotations(path, **options))
    if any(value not in (None, (), "auto") for value in options.values()):
        raise OptionsError(f"{path}: prepared already; options that say how captions are laid out do not go with it")
    dataset = Dataset.open(path)
    if len(dataset.sources) > 1:
        raise DatasetError(f"{path}: mixed already of {', '.join(dataset.sources)}; mix what it is of")
    return NamedSource(name, path, "prepared", Annotations(dataset.images_dir, list(dataset.examples)))


def _refuse_unreadable(source: Path) -> None:
    if not os.path.exists(source):
        raise DatasetError(f"{source}: no such folder or file")
    try:
        if os.path.isdir(source):
            os.scandir(source).close()
    except OSError as error:
        raise DatasetError(f"{source}: {error.strerror or error}") from error


def _read(source: Source, format_name: str) -> tuple[str, Annotations]:
    is_auto = format_name == "auto"
    if source.path.is_dir():
        found = find_format(source, list(FORMATS) if is_auto else [format_name])
        if found is None and source.captions_path is not None and (is_auto or FORMATS[format_name].file):
            images_dir = source.images_dir or source.path
            alone = replace(source, path=source.captions_path, captions_path=None, images_dir=images_dir)
            return _read(alone, format_name)  # there are no captions whose place they could take
        if found is None and is_auto:
            reason = why_no_format(source.path, source.columns)
            known = ", ".join(FORMATS)
            raise DatasetError(f"{source.path}: no dataset of a known format in it; known are {known}{reason}")
        name, read = found or (format_name, FORMATS[format_name].read)
    else:
        name = format_of_file(source.path, source.columns) if is_auto else format_name
        read = partial(read_files, FORMATS[name].file)
    _refuse_contradictions(name, source)
    if source.captions_path is None:
        return name, read(source)
    captions_format = FORMATS[format_of_file(source.captions_path, source.columns)].file
    source = replace(source, captions_format=captions_format)
    annotations = read(source)
    if source.path.is_dir() and FORMATS[name].reads_other_captions:
        return name, annotations
    return name, with_captions(annotations, source)


def _refuse_contradictions(name: str, source: Source) -> None:
    file = FORMATS[name].file
    if file is None and source.captions_path is not None:
        raise OptionsError(f"{name}s lie beside their photos: --captions does not go with the format {name}")
    if file is None and not source.path.is_dir():
        raise DatasetError(f"{source.path}: not a folder, and the format {name} has no other")
    if source.columns != Columns() and source.captions_path is None and not (file and file.has_columns):
        raise OptionsError(f"--image-column and --caption-column do not go with the format {name}")
