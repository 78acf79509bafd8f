"""Text files as they come: any line ends, byte-order marks, broken bytes, lines without an end."""

import codecs
import io
from contextlib import contextmanager
from pathlib import Path

from captioner.datasets.examples import Problem, is_text
from captioner.errors import DatasetError

MAX_LINE = 1 << 22  # characters: no caption is that long, and a file of one endless line must not fill the memory

_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@contextmanager
def open_text(path: Path):
    """The file as text: UTF-8, or what its byte-order mark says; bytes that are no UTF-8 come as lone surrogates.

    Raises: DatasetError when it cannot be read, now or in the block, or is UTF-16 and does not say so.
    """
    try:
        with open(path, "rb") as file:
            head = file.peek(64)[:64]
            encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8-sig")
            if encoding == "utf-8-sig" and _looks_like_utf16(head):
                raise DatasetError(f"{path}: looks like UTF-16 without a byte-order mark; save it as UTF-8")
            errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
            yield io.TextIOWrapper(file, encoding, errors)
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not {encoding.upper()} as its byte-order mark says; save it as UTF-8") from error


def _looks_like_utf16(head: bytes) -> bool:
    zeros = [half.count(0) * 2 > len(half) for half in (head[::2], head[1::2])]
    return zeros[0] != zeros[1]


def whole_lines(path: Path, problems: list[Problem]):
    """`(line number, text)` of every line, its end included; one at a time is held.

    A line that is not UTF-8, or is longer than any caption, becomes a problem.
    Raises: DatasetError when the file cannot be read.
    """
    with open_text(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), start=1):
            detail = ""
            if len(line) == MAX_LINE and not line.endswith("\n"):
                while (rest := file.readline(MAX_LINE)) and not rest.endswith("\n"):
                    pass
                detail = f"longer than {MAX_LINE:,} characters"
            elif not is_text(line):
                detail = "not UTF-8 text"
            if detail:
                problems.append(Problem("broken line", f"{path}, line {number}", detail))
            else:
                yield number, line


def read_lines(path: Path, problems: list[Problem]):
    """`(line number, text)` of every line that is not blank, without its end; otherwise as `whole_lines`."""
    for number, line in whole_lines(path, problems):
        text = line.strip("\0 \n")
        if text:
            yield number, text
