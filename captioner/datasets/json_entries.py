"""The entries of a JSON file one after another: a file of any size is never held whole."""

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import NamedTuple

from captioner.datasets.lines import MAX_LINE, open_text
from captioner.errors import DatasetError

_CHUNK = 1 << 16  # characters
_CUT = 16  # characters: so near the end of what was read, what is found may come from the cut
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Entry(NamedTuple):
    """`section`: the name of the list it is in, "" where the list is the file; `place`: such as "line 3, images[7]"."""

    place: str
    section: str
    value: object


def json_entries(path: Path, sections: tuple[str, ...]) -> Iterator[Entry]:
    """What the lists of those names hold, in the order of the file; "" is the name of a list that is the file.

    Raises: DatasetError with file and line where it is no JSON, is cut short, or has something else in their place.
    """
    with open_text(path) as file:
        reader = _Reader(path, file)
        opening = reader.take("[{")
        wanted = "[" if "" in sections else "{"
        if opening != wanted:
            expected = "a list" if wanted == "[" else f"an object with {' and '.join(sections)}"
            raise reader.error(f"expected {expected}, found {'a list' if opening == '[' else 'an object'}")
        yield from _list_entries(reader, "") if opening == "[" else _object_entries(reader, sections)
        if reader.peek():
            raise reader.error("something follows where the JSON ends")


def json_members(path: Path) -> Iterator[Entry]:
    """What an object that is the file holds, each under its name as the section, in the order of the file.

    A name that is there twice comes twice. Raises: DatasetError as `json_entries` does.
    """
    with open_text(path) as file:
        reader = _Reader(path, file)
        reader.take("{")
        following = reader.take("}") if reader.peek() == "}" else ","
        while following == ",":
            reader.expect('"')
            place, name = f"line {reader.line()}", reader.value()
            reader.take(":")
            yield Entry(place, name, reader.value())
            following = reader.take(",}")
        if reader.peek():
            raise reader.error("something follows where the JSON ends")


def _object_entries(reader: "_Reader", sections: tuple[str, ...]) -> Iterator[Entry]:
    if reader.peek() == "}":
        reader.take("}")
        return
    following = ","
    while following == ",":
        reader.expect('"')
        name = reader.value()
        reader.take(":")
        if reader.peek() == "[":
            reader.take("[")
            for entry in _list_entries(reader, name):
                if name in sections:
                    yield entry
        elif name in sections and reader.peek():
            raise reader.error(f"{name} is not a list")
        else:
            reader.value()
        following = reader.take(",}")


def _list_entries(reader: "_Reader", section: str) -> Iterator[Entry]:
    if reader.peek() == "]":
        reader.take("]")
        return
    following, index = ",", 0
    while following == ",":
        line = reader.line()
        yield Entry(f"line {line}, {section}[{index}]", section, reader.value())
        following = reader.take(",]")
        index += 1


class _Reader:
    """A window onto the file; it holds one value, and what was read along with it."""

    def __init__(self, path: Path, file):
        self.path, self.file = path, file
        self.window, self.at = "", 0
        self._line, self._counted = 1, 0  # line ends are counted up to there

    def line(self, at: int | None = None) -> int:
        """The line of a place in the window, by default the next character that is no space."""
        if at is not None:
            return self._line + self.window.count("\n", self._counted, at)
        self.peek()
        self._count_lines()
        return self._line

    def error(self, message: str, at: int | None = None) -> DatasetError:
        return DatasetError(f"{self.path}, line {self.line(self.at if at is None else at)}: {message}")

    def peek(self) -> str:
        """The next character that is no space, left in place; "" at the end of the file."""
        while True:
            self.at = _SPACE.match(self.window, self.at).end()
            if self.at < len(self.window):
                return self.window[self.at]
            if not self._read_on():
                return ""

    def take(self, expected: str) -> str:
        """The next character, which is one of those."""
        char = self.expect(expected)
        self.at += 1
        return char

    def expect(self, expected: str) -> str:
        """The same, and leaves it in place."""
        char = self.peek()
        if not char:
            raise self.error("the file is empty" if not self.window else "the JSON is cut short")
        if char not in expected:
            raise self.error(f"no JSON: expected {' or '.join(expected)}, found {char!r}")
        return char

    def value(self):
        self.peek()
        while True:
            error, end = None, len(self.window)
            try:
                value, end = _DECODER.raw_decode(self.window, self.at)
            except JSONDecodeError as caught:
                error = caught
                if not error.msg.startswith("Unterminated string") and error.pos + _CUT <= len(self.window):
                    raise self.error(f"no JSON: {error.msg}", error.pos) from error
            except (ValueError, RecursionError) as caught:  # a number of thousands of digits, lists in lists in lists
                raise self.error(f"no JSON that can be read ({caught})") from caught
            if error is None and end + _CUT <= len(self.window):  # a number may go on behind the cut
                self.at = end
                return value
            if len(self.window) - self.at > MAX_LINE:
                raise self.error(f"an entry is longer than {MAX_LINE:,} characters") from error
            if not self._read_on():
                if error is not None:
                    is_whole = error.pos < len(self.window) and not error.msg.startswith("Unterminated string")
                    reason = f"no JSON, or cut short: {error.msg}" if is_whole else "the JSON is cut short"
                    raise self.error(reason) from error
                self.at = end
                return value

    def _read_on(self) -> bool:
        """Whether there was more; at least as much as is held is read, so that long values cost no more than short."""
        chunk = self.file.read(max(_CHUNK, len(self.window) - self.at))
        if chunk:
            self._count_lines()
            self.window, self.at, self._counted = self.window[self.at :] + chunk, 0, 0
        return bool(chunk)

    def _count_lines(self) -> None:
        self._line += self.window.count("\n", self._counted, self.at)
        self._counted = self.at
