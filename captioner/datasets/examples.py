"""What every annotation format is read into."""

import codecs
from dataclasses import dataclass, field
from pathlib import Path

from captioner.errors import DatasetError


@dataclass(frozen=True)
class Example:
    """A photo with its captions; `image` is its path below the source's photo folder, with forward slashes."""

    image: str
    captions: tuple[str, ...]
    split: str | None  # None where the source has no splits: they are then made by photo


@dataclass(frozen=True)
class Problem:
    """Something of the source that could not be used; `lost` where data was, which a command reports with exit 1."""

    kind: str  # "missing photo", "corrupt photo", "no caption", "broken line", "unreadable folder"
    where: str
    detail: str = ""
    lost: bool = True

    def __str__(self):
        return f"{self.kind}: {self.where}" + (f" ({self.detail})" if self.detail else "")


@dataclass
class Annotations:
    """A source as a format read it: examples in a stable order, and what was wrong with the rest."""

    images_dir: Path
    examples: list[Example] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    image_ids: dict[int, str] = field(default_factory=dict)  # number to photo, where the source numbers its photos


def read_lines(path: Path, problems: list[Problem]):
    """`(line number, text)` of every line that is not blank, whatever its line ends and byte-order mark.

    A line that is not UTF-8 becomes a problem.
    Raises: DatasetError when the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from error
    for number, raw in enumerate(content.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            text = raw.decode("utf-8").strip("\0 ")
        except UnicodeDecodeError:
            problems.append(Problem("broken line", f"{path}, line {number}", "not UTF-8 text"))
            continue
        if text:
            yield number, text


def first_of(problems: list[Problem]) -> str:
    """What an error adds to say why nothing is left."""
    return f"; first of {len(problems)}: {problems[0]}" if problems else ""


def clean_caption(text: str) -> str:
    return " ".join(text.split())


def leads_outside(name: str) -> bool:
    """Whether a photo's name is absolute or climbs out of its folder."""
    path = name.replace("\\", "/")
    return path.startswith("/") or ".." in path.split("/") or (len(path) > 1 and path[1] == ":")
