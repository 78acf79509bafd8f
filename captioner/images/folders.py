"""Finding photos in folders."""

import fnmatch
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from captioner.errors import ImageError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
    + (".heic", ".heif", ".hif", ".ppm", ".pgm", ".pnm", ".jp2", ".ico", ".tga")
)

# Folders that systems and network drives keep for themselves, in lower case: thumbnails, deleted files, snapshots.
_SYSTEM_FOLDERS = frozenset(
    # Synology
    ("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin")
    # QNAP
    + ("@recycle", "@recently-snapshot", "@__thumb")
    # Windows
    + ("$recycle.bin", "recycler", "recycled", "system volume information", "found.000")
    # macOS, on other systems' drives
    + ("__macosx", "network trash folder", "temporary items")
    # Linux
    + ("lost+found",)
)


def is_image_name(path: str | os.PathLike) -> bool:
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def is_system_folder(name: str) -> bool:
    """Whether a folder of that name belongs to a system or a network drive, and holds nobody's photos."""
    return name.lower() in _SYSTEM_FOLDERS


def matches_any(below: str, patterns: Iterable[str]) -> bool:
    """Whether a path below a folder, or its last part, is like one of the glob patterns.

    The suffix is compared without regard to letter case, as cameras and Windows write it: `*.jpg` matches `A.JPG`.
    """
    path = _with_lower_suffix(below)
    name = path.rpartition("/")[2]
    lowered = map(_with_lower_suffix, patterns)
    return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path, pattern) for pattern in lowered)


def _with_lower_suffix(path: str) -> str:
    stem, suffix = os.path.splitext(path)
    return stem + suffix.lower()


def find_images(
    folder: Path,
    recursive: bool = False,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    skipped: Callable[[Path], None] = lambda path: None,
) -> Iterator[Path | ImageError]:
    """The photos of a folder, sorted within each folder; hidden ones are left out, links to folders not followed.

    A folder that cannot be listed comes as an error in its place, and the rest goes on.
    include, exclude: glob patterns against the name or the path below `folder`; no `include` means every
    suffix of IMAGE_SUFFIXES. skipped: called with each system folder that is not entered.
    """
    include, exclude = tuple(include), tuple(exclude)

    def matches(path: Path, patterns: tuple[str, ...]) -> bool:
        return matches_any(path.relative_to(folder).as_posix(), patterns)

    def walk(directory: Path) -> Iterator[Path | ImageError]:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as error:
            yield ImageError(f"{directory}: {error.strerror or error}")
            return
        for entry in entries:
            path = directory / entry.name
            if entry.name.startswith(".") or (exclude and matches(path, exclude)):
                continue
            if entry.is_dir(follow_symlinks=False):
                if recursive and is_system_folder(entry.name):
                    skipped(path)
                elif recursive:
                    yield from walk(path)
            elif _may_be_read(entry) and (matches(path, include) if include else is_image_name(entry.name)):
                yield path

    yield from walk(Path(folder))


def _may_be_read(entry: os.DirEntry) -> bool:
    """No for what would never end, as a pipe, and for links to folders; a broken link is left to fail by name."""
    try:
        return entry.is_file() or not os.path.exists(entry.path)
    except OSError:  # a link that leads to itself
        return True
