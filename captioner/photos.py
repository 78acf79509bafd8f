"""What the command line names, turned into photos: files, folders, globs, lists of them, stdin."""

import codecs
import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.errors import CaptionerError, ImageError
from captioner.images import find_images


@dataclass(frozen=True)
class Photo:
    """file_name: relative to the folder that was given, or the path as it was given."""

    file_name: str
    source: str | bytes  # a path that is text: unlike a Path it does not grow when it is used, a hundred thousand times
    folder: str = ""  # that was given

    @property
    def is_file(self) -> bool:
        return isinstance(self.source, str)


class MissingInput(ImageError):
    """An input that names nothing, or a folder that cannot be listed."""

    def __init__(self, file_name: str, reason: str):
        super().__init__(f"{file_name}: {reason}")
        self.file_name = file_name


def listed_inputs(files_from: str, null_separated: bool) -> list[str]:
    """The inputs a file names, or stdin where it is "-". Raises: CaptionerError when it cannot be read."""
    try:
        content = _stdin() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise CaptionerError(f"{files_from}: cannot be read ({error.strerror or error})") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    lines = content.split(b"\0") if null_separated else [line.rstrip(b"\r") for line in content.split(b"\n")]
    return [line.decode("utf-8", "surrogateescape") for line in lines if line]


def _stdin() -> bytes:
    if sys.stdin is None:
        raise CaptionerError("stdin is closed")
    return sys.stdin.buffer.read()


def find_photos(
    names: Iterable[str], recursive: bool, include: Iterable[str], exclude: Iterable[str]
) -> Iterator[Photo | MissingInput]:
    """Every photo the names lead to, in order; a name that leads nowhere comes as a MissingInput."""
    for name in names:
        if name == "-":
            yield Photo("-", _stdin())
            continue
        if os.path.isdir(name):  # unlike in pathlib, an empty name is no folder, and one too long no error
            path = Path(name)
            for found in find_images(path, recursive, include, exclude):
                if isinstance(found, ImageError):
                    yield MissingInput(*str(found).rsplit(": ", 1))
                else:
                    yield Photo(found.relative_to(path).as_posix(), str(found), name)
        elif os.path.exists(name):
            yield Photo(name, name)
        elif matches := [match for match in sorted(glob.glob(name, recursive=True)) if os.path.isfile(match)]:
            yield from (Photo(match, match) for match in matches)
        elif os.path.islink(name):
            yield MissingInput(name, "a link that leads nowhere")
        else:
            yield MissingInput(name, "no such file or folder")


def told_apart(found: Iterable[Photo | MissingInput]) -> list[Photo | MissingInput]:
    """Each photo once, and no two under one name: names that two folders share begin with the folder as given."""
    once: dict[object, Photo | MissingInput] = {}
    for item in found:
        key = os.path.abspath(item.source) if isinstance(item, Photo) and item.is_file else id(item)
        once.setdefault(key, item)
    uses = Counter(item.file_name for item in once.values())
    return [
        replace(item, file_name=item.source)
        if isinstance(item, Photo) and item.folder and uses[item.file_name] > 1
        else item
        for item in once.values()
    ]
