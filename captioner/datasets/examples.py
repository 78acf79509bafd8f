"""What every annotation format is told, and what it is read into."""

from dataclasses import dataclass, field
from pathlib import Path

from captioner.escaping import visible_line

SPLIT_NAMES = {"train": "train", "restval": "train", "test": "test"} | dict.fromkeys(
    ("dev", "val", "valid", "validation"), "dev"
)


@dataclass(frozen=True)
class Example:
    """A photo with its captions.

    image: its path below the source's photo folder, with forward slashes; in a dataset of several sources behind the
    name of its own, `flickr8k/1000268201.jpg`. split: None where the source has no splits: they are then made by
    photo. source: the name of its source; "" in a dataset of one.
    """

    image: str
    captions: tuple[str, ...]
    split: str | None
    source: str = ""

    @property
    def name(self) -> str:
        """Its path below the photo folder of its source."""
        return self.image.removeprefix(f"{self.source}/") if self.source else self.image


@dataclass(frozen=True)
class Problem:
    """Something of the source that could not be used; `lost` where data was, which a command reports with exit 1."""

    kind: str  # "missing photo", "corrupt photo", "unknown photo", "no caption", "empty caption", "broken line", ...
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


def first_of(problems: list[Problem]) -> str:
    """What an error adds to say why nothing is left."""
    return f"; first of {len(problems)}: {visible_line(str(problems[0]))}" if problems else ""


def clean_caption(text: str) -> str:
    """One line, single spaces, and none of the NULs and byte-order marks that broken files leave behind."""
    return " ".join(text.replace("\0", " ").replace("\ufeff", " ").split())


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: bytes that were none, and halves of a character, cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def leads_outside(name: str) -> bool:
    """Whether a photo's name is absolute or climbs out of its folder."""
    path = name.replace("\\", "/")
    return path.startswith("/") or ".." in path.split("/") or (len(path) > 1 and path[1] == ":")
