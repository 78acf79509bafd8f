"""Sidecars: `photo.jpg` with its captions in `photo.txt` or `photo.caption` beside it, one a line."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from captioner.datasets.annotation_files import Source
from captioner.datasets.caption_lists import captions_in
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Example, Problem, clean_caption, is_text
from captioner.datasets.lines import read_lines
from captioner.datasets.photo_names import PhotoNames, twins
from captioner.datasets.split_names import with_folder_splits
from captioner.errors import ImageError, OptionsError
from captioner.images import find_images, is_image_name

SUFFIXES = (".txt", ".caption")


def detect(source: Path) -> bool:
    """Whether some photo below the source has a sidecar; looks no further than the first."""
    for _, _, names in os.walk(source):
        present = PhotoNames(names)
        if any(is_image_name(n) and any(present.alike(Path(n).stem + s) for s in SUFFIXES) for n in names):
            return True
    return False


def read(source: Source) -> Annotations:
    """Every photo below the source that has a sidecar; folders named train, dev (or val) and test are splits.

    A sidecar may be named in Unicode's other normal form, and its suffix be in other letter case.

    A sidecar does not say the whole name of its photo, so the photos are needed in any case.

    Raises: OptionsError for a caption file, which sidecars have no use for.
    """
    if source.captions_path is not None:
        raise OptionsError("sidecars lie beside their photos: --captions does not go with the format sidecar")
    images_dir = source.images_dir or source.path
    annotations = Annotations(images_dir)
    found = list(find_images(images_dir, recursive=True))
    annotations.problems += [
        Problem("unreadable folder", str(error)) for error in found if isinstance(error, ImageError)
    ]
    photos = [path.relative_to(images_dir).as_posix() for path in found if not isinstance(path, ImageError)]
    has_splits = any(name.split("/")[0].lower() in SPLIT_NAMES for name in photos if "/" in name)
    finder = _Sidecars(photos)
    for name in photos:
        captions = [
            caption
            for path in finder.of(images_dir, name, annotations.problems)
            for caption in _captions(path, annotations.problems)
        ]
        split = SPLIT_NAMES.get(name.split("/")[0].lower(), "train") if has_splits else None
        if captions:
            annotations.examples.append(Example(name, tuple(captions), split))
        else:
            annotations.problems.append(Problem("no caption", name, lost=False))
    annotations.examples = with_folder_splits(annotations.examples)
    return annotations


class _Sidecars:
    """Finds the sidecars of photos, each folder listed once."""

    def __init__(self, photos: list[str]):
        self._exact_only = twins(os.path.splitext(photo)[0] for photo in photos)
        self._names_in = cache(lambda folder: PhotoNames(os.listdir(folder)))

    def of(self, images_dir: Path, photo: str, problems: list[Problem]) -> Iterator[Path]:
        """Those that there are; several that might be the same one become a problem."""
        bare = os.path.splitext(photo)[0]
        folder = (images_dir / photo).parent
        present = self._names_in(folder)
        for suffix in SUFFIXES:
            name = os.path.basename(bare) + suffix
            found = present.find(name, {name} if bare in self._exact_only else ())
            if found is not None and os.path.isfile(folder / found):
                yield folder / found
            elif found is None and len(present.alike(name)) > 1:
                detail = f"it may be any of {', '.join(map(ascii, present.alike(name)))}"
                problems.append(Problem("no caption", photo, detail))


def _captions(path: Path, problems: list[Problem]) -> Iterator[str]:
    """A line each, or all of a line that is a list."""
    for number, line in read_lines(path, problems):
        try:
            captions = captions_in(line)
        except ValueError as error:
            problems.append(Problem("broken line", f"{path}, line {number}", str(error)))
            continue
        for caption in captions:
            if not isinstance(caption, str) or not is_text(caption):
                problems.append(Problem("broken line", f"{path}, line {number}", "a caption is no text"))
            elif cleaned := clean_caption(caption):
                yield cleaned
