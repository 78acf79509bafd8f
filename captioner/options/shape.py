"""The last shape of a caption that is written."""

import re
from dataclasses import dataclass

from captioner.options.base import Options, require

_NO_TEXT = re.compile("[^\t -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # of what XML can hold, and sensible


@dataclass(frozen=True)
class ShapeOptions(Options):
    """The last shape of a caption that is written."""

    prefix: str = ""
    suffix: str = ""
    max_chars: int | None = None  # prefix and suffix included; None is what the place it is written to asks for
    min_confidence: float | None = None  # below which a caption is marked; None leaves it to the model

    def __post_init__(self):
        for name, text in (("prefix", self.prefix), ("suffix", self.suffix)):
            require(
                len(text.splitlines()) <= 1 and text.rstrip("\r\n") == text, f"{name} must be one line, not {text!r}"
            )
            require(not _NO_TEXT.search(text), f"{name} must be text without control characters, not {text!r}")
        around = len(self.prefix) + len(self.suffix)
        if self.max_chars is not None:
            require(
                self.max_chars > around,
                f"max-chars must be more than the {around} characters of prefix and suffix, not {self.max_chars}",
            )
        if self.min_confidence is not None:
            require(0 <= self.min_confidence <= 1, f"min-confidence must be from 0 to 1, not {self.min_confidence}")
