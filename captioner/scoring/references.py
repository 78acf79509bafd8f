"""The captions that people wrote, as references: from annotations of any format, or from a prepared dataset."""

import os
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from captioner.datasets import Dataset, Example, Problem, read_annotations
from captioner.datasets.prepared_files import CAPTIONS_FILE, INFO_FILE
from captioner.errors import DatasetError
from captioner.scoring.matching import PhotoNames, quoted


@dataclass(frozen=True)
class References:
    path: Path
    format: str  # of the annotations, "prepared" for a prepared dataset
    examples: tuple[Example, ...]
    names: PhotoNames
    problems: tuple[Problem, ...]  # what of the annotations was lost

    def around(self, photos: Container[str]) -> list[Example]:
        """The examples of all splits that one of the photos is in."""
        splits = {example.split for example in self.examples if example.image in photos}
        return [example for example in self.examples if example.split in splits]

    def of_split(self, split: str) -> list[Example]:
        """The examples of a split. Raises: DatasetError naming the splits there are when it is not one of them."""
        found = [example for example in self.examples if example.split == split]
        if not found:
            splits = list(dict.fromkeys(example.split for example in self.examples if example.split))
            there = f"it has {', '.join(splits)}" if splits else "it has no splits; leave out --split"
            raise DatasetError(f"{self.path}: no {split} split; {there}")
        return found


def read_references(path: Path, format_name: str = "auto", captions_path: Path | None = None) -> References:
    """The captioned photos of a prepared dataset, a source folder or a caption file; no photo is looked for.

    Raises: DatasetError when it cannot be read or holds no captions, or names a photo twice.
    """
    if format_name == "auto" and captions_path is None and _is_prepared(path):
        dataset = Dataset.open(path)
        found_format, examples, numbers, problems = "prepared", dataset.examples, {}, ()
    else:
        found_format, annotations = read_annotations(path, format_name, captions_path, photos_needed=False)
        examples, numbers = tuple(annotations.examples), annotations.image_ids
        problems = tuple(problem for problem in annotations.problems if problem.lost)
    _refuse_unusable(path, examples)
    return References(path, found_format, examples, PhotoNames((e.image for e in examples), numbers), problems)


def _is_prepared(path: Path) -> bool:
    return all(os.path.isfile(path / name) for name in (INFO_FILE, CAPTIONS_FILE))


def _refuse_unusable(path: Path, examples: tuple[Example, ...]) -> None:
    seen = set()
    for example in examples:
        if example.image in seen:
            raise DatasetError(f"{path}: photo {quoted(example.image)} is there twice")
        if not example.captions:
            raise DatasetError(f"{path}: photo {quoted(example.image)} has no caption")
        seen.add(example.image)
