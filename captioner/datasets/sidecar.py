"""Sidecars: `photo.jpg` with its captions in `photo.txt` or `photo.caption` beside it, one a line."""

import os
from pathlib import Path

from captioner.datasets.annotation_files import Source
from captioner.datasets.examples import SPLIT_NAMES, Annotations, Example, Problem, clean_caption
from captioner.datasets.lines import read_lines
from captioner.errors import ImageError, OptionsError
from captioner.images import find_images, is_image_name

SUFFIXES = (".txt", ".caption")


def detect(source: Path) -> bool:
    """Whether some photo below the source has a sidecar; looks no further than the first."""
    for _, _, names in os.walk(source):
        present = set(names)
        if any(is_image_name(n) and any(Path(n).stem + s in present for s in SUFFIXES) for n in names):
            return True
    return False


def read(source: Source) -> Annotations:
    """Every photo below the source that has a sidecar; folders named train, dev (or val) and test are splits.

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
    for name in photos:
        sidecars = [(images_dir / name).with_suffix(suffix) for suffix in SUFFIXES]
        lines = [
            cleaned
            for path in sidecars
            if os.path.isfile(path)
            for _, line in read_lines(path, annotations.problems)
            if (cleaned := clean_caption(line))
        ]
        split = SPLIT_NAMES.get(name.split("/")[0].lower(), "train") if has_splits else None
        if lines:
            annotations.examples.append(Example(name, tuple(lines), split))
        else:
            annotations.problems.append(Problem("no caption", name, lost=False))
    return annotations
