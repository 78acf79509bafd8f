"""What the command line names, turned into photos: files, folders, globs, lists of them, stdin."""

import codecs
import glob
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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


# Byte order marks, and the encoding that each stands for; the longest first, for one begins as another does.
_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class MissingInput(ImageError):
    """An input that names nothing, or a folder that cannot be listed."""

    def __init__(self, file_name: str, reason: str):
        super().__init__(f"{file_name}: {reason}")
        self.file_name = file_name


def listed_inputs(files_from: str, null_separated: bool) -> list[str]:
    """The inputs a file names, or stdin where it is "-".

    The file is UTF-8, or what its byte order mark says, as Windows writes it; names that are no valid UTF-8 keep their
    bytes. Raises: CaptionerError when it cannot be read, or is no list of names.
    """
    try:
        content = _stdin() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise CaptionerError(f"{files_from}: cannot be read ({error.strerror or error})") from error
    text = _decoded(content, files_from)
    if null_separated:
        return [name for name in text.split("\0") if name]
    if "\0" in text:
        raise CaptionerError(f"{files_from}: holds zero bytes: give -0 if names end with them, or save it as UTF-8")
    return [name for line in text.split("\n") if (name := line.rstrip("\r"))]


def _decoded(content: bytes, files_from: str) -> str:
    mark = next((mark for mark in _ENCODINGS if content.startswith(mark)), b"")
    encoding = _ENCODINGS.get(mark, "utf-8")
    # Names of files are any bytes here, and any 16-bit numbers on Windows.
    errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
    try:
        return content[len(mark) :].decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise CaptionerError(f"{files_from}: begins as {encoding.upper()} does, and is not ({error.reason})") from error


def _stdin() -> bytes:
    if sys.stdin is None:
        raise CaptionerError("stdin is closed")
    return sys.stdin.buffer.read()


def find_photos(
    names: Iterable[str],
    recursive: bool,
    include: Iterable[str],
    exclude: Iterable[str],
    skipped: Callable[[Path], None] = lambda path: None,
) -> Iterator[Photo | MissingInput]:
    """Every photo the names lead to, in order; a name that leads nowhere comes as a MissingInput.

    skipped: called with each system folder below a folder that is not entered; one that is named is.
    """
    for name in names:
        if name == "-":
            yield Photo("-", _stdin())
            continue
        if os.path.isdir(name):  # unlike in pathlib, an empty name is no folder, and one too long no error
            path = Path(name)
            for found in find_images(path, recursive, include, exclude, skipped):
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


def describe_skipped(folders: Iterable[Path]) -> str:
    """One line on system folders that were not entered."""
    counts = Counter(folder.name for folder in folders)
    kinds = ", ".join(f"{name} ({count:,})" if count > 1 else name for name, count in counts.items())
    return f"not entered, for they are the system's: {kinds}; a folder that is given itself is"


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
