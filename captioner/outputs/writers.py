"""Captions written to a stream, one record a photo."""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from captioner.errors import CaptionerError, OptionsError
from captioner.inference import Caption

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def escape_path(path: str) -> str:
    """The path on one line and in one column: backslash, tab and line ends as \\\\, \\t, \\n, \\r."""
    return path.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def success_record(file_name: str, caption: Caption) -> dict:
    record = {"file_name": file_name} | _said(caption) | {"model": caption.model}
    if caption.candidates:
        record["candidates"] = [_said(candidate) for candidate in caption.candidates]
    return record


def _said(caption: Caption) -> dict:
    return {"text": caption.text, "log_prob": round(caption.log_prob, 6), "confidence": round(caption.confidence, 6)}


def error_record(file_name: str, error: CaptionerError) -> dict:
    return {"file_name": file_name, "error": {"type": type(error).__name__, "message": str(error)}}


class Writer:
    """Writes each photo's caption as it comes. `bare`: the one photo that was asked for needs no name."""

    def __init__(self, stream: TextIO, bare: bool):
        self.stream, self.bare = stream, bare

    def write(self, file_name: str, caption: Caption) -> None:
        raise NotImplementedError

    def write_error(self, file_name: str, error: CaptionerError) -> None:
        """Nothing: only some formats have a place for it."""


class TextWriter(Writer):
    """The caption alone for a single photo, else path, tab, caption; a candidate a line."""

    def write(self, file_name, caption):
        for candidate in caption.candidates or (caption,):
            print(candidate.text if self.bare else f"{escape_path(file_name)}\t{candidate.text}", file=self.stream)


class JsonLinesWriter(Writer):
    def write(self, file_name, caption):
        self._write(success_record(file_name, caption))

    def write_error(self, file_name, error):
        self._write(error_record(file_name, error))

    def _write(self, record):
        line = json.dumps(record, ensure_ascii=False)
        # a file name that is no valid text holds lone surrogates, which JSON can only spell out
        print(_LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", line), file=self.stream)


class CsvWriter(Writer):
    """A row a candidate."""

    FIELDS = ("file_name", "text", "log_prob", "confidence", "model")

    def __init__(self, stream, bare):
        super().__init__(stream, bare)
        self._rows = csv.DictWriter(stream, self.FIELDS, extrasaction="ignore", lineterminator="\n")
        self._rows.writeheader()

    def write(self, file_name, caption):
        for candidate in caption.candidates or (caption,):
            self._rows.writerow(success_record(file_name, candidate))


WRITERS: dict[str, type[Writer]] = {"text": TextWriter, "jsonl": JsonLinesWriter, "csv": CsvWriter}


@contextmanager
def open_writer(format_name: str, output_path: Path | None, stdout: TextIO, bare: bool) -> Iterator[Writer]:
    """A writer onto `stdout`, or onto a file, line by line, so that an interrupted run keeps what it wrote.

    Raises: OptionsError for an unknown format; CaptionerError when the file cannot be written.
    """
    if format_name not in WRITERS:
        raise OptionsError(f"unknown format {format_name!r}; choose {', '.join(WRITERS)}")
    if output_path is None:
        if isinstance(stdout, TextIOWrapper):  # a file name that is no valid text goes out as the bytes it has
            stdout.reconfigure(errors="surrogateescape")
        yield WRITERS[format_name](stdout, bare)
        return
    try:
        with output_path.open("w", encoding="utf-8", errors="surrogateescape", newline="", buffering=1) as stream:
            yield WRITERS[format_name](stream, bare)
    except OSError as error:
        raise CaptionerError(f"{output_path}: cannot be written ({error.strerror or error})") from error
