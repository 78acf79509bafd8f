"""How captions are written down: text, JSON Lines and CSV, and how what was written is read again."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from captioner.errors import CaptionerError
from captioner.escaping import escape_path, spreadsheet_cell, text_of_cell, unescape_path
from captioner.inference import Caption

# A file name that is no valid text holds lone surrogates, which JSON can only spell out; the others are controls that
# a terminal obeys, and json leaves them as they are.
_SPELT_OUT = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def success_record(file_name: str, caption: Caption) -> dict:
    record = {"file_name": file_name} | _said(caption) | {"model": caption.model}
    if caption.low_confidence:
        record["low_confidence"] = True
    if caption.candidates:
        record["candidates"] = [_said(candidate) for candidate in caption.candidates]
    return record


def _said(caption: Caption) -> dict:
    return {"text": caption.text, "log_prob": round(caption.log_prob, 6), "confidence": round(caption.confidence, 6)}


def error_record(file_name: str, error: CaptionerError) -> dict:
    return {"file_name": file_name, "error": {"type": type(error).__name__, "message": str(error)}}


def json_line(record: dict) -> str:
    line = json.dumps(record, ensure_ascii=False)
    return _SPELT_OUT.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n"


@dataclass(frozen=True)
class Entry:
    """Whose record stands at these bytes of a file."""

    file_name: str
    is_error: bool
    start: int
    end: int


class NoRecord(ValueError):
    """A line that no writer of captions wrote; its text says which line."""


class Form:
    """How captions are written down, a photo at a time.

    bare: the one photo that was asked for needs no name. marks_doubt: whether there is a place for low confidence.
    """

    def __init__(self, bare: bool = False, marks_doubt: bool = False):
        self.bare, self.marks_doubt = bare, marks_doubt

    @property
    def header(self) -> str:
        """What a file begins with."""
        return ""

    def success(self, file_name: str, caption: Caption) -> str:
        raise NotImplementedError

    def error(self, file_name: str, error: CaptionerError) -> str:
        """Nothing: only some forms have a place for it."""
        return ""

    def read(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        """What was written; where it breaks off in the middle of a record, those before that.

        lines: of a file, with their ends. Raises: NoRecord.
        """
        start = 0
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                file_name, is_error = self.parse(line.decode("utf-8", "surrogateescape")[:-1])
            except ValueError as error:
                raise NoRecord(f"line {number}") from error
            yield Entry(file_name, is_error, start, start + len(line))
            start += len(line)

    def may_begin(self, content: bytes) -> bool:
        """Whether a file of this form that breaks off in its first record may hold just that."""
        raise NotImplementedError

    def parse(self, line: str) -> tuple[str, bool]:
        """Whose record a line is, and whether of an error. Raises: ValueError when it is none."""
        raise NotImplementedError


class Text(Form):
    """The caption alone for a single photo, else path, tab, caption; a candidate a line."""

    def success(self, file_name, caption):
        name = "" if self.bare else f"{escape_path(file_name)}\t"
        return "".join(f"{name}{candidate.text}\n" for candidate in caption.candidates or (caption,))

    def parse(self, line):
        name, tab, _ = line.partition("\t")
        if not tab:
            raise ValueError(line)
        return unescape_path(name), False

    def may_begin(self, content):
        return not content or b"\t" in content


class JsonLines(Form):
    def success(self, file_name, caption):
        return json_line(success_record(file_name, caption))

    def error(self, file_name, error):
        return json_line(error_record(file_name, error))

    def parse(self, line):
        record = json.loads(line)
        if not (
            isinstance(record, dict) and isinstance(record.get("file_name"), str) and {"text", "error"} & set(record)
        ):
            raise ValueError(line)
        return record["file_name"], "text" not in record

    def may_begin(self, content):
        beginning = b'{"file_name": "'
        return content[: len(beginning)] == beginning[: len(content)]


class Csv(Form):
    """A row a candidate, for spreadsheets: what they would run as a formula has an apostrophe before it.

    is_raw: without that. has_mark: a file begins with a byte-order mark, without which Excel in Korea, for one, reads
    UTF-8 as the encoding of its country.
    """

    def __init__(self, bare: bool = False, marks_doubt: bool = False, *, is_raw: bool = False, has_mark: bool = False):
        super().__init__(bare, marks_doubt)
        self._is_raw, self._mark = is_raw, codecs.BOM_UTF8.decode() if has_mark else ""

    @property
    def columns(self) -> tuple[str, ...]:
        doubt = ("low_confidence",) if self.marks_doubt else ()
        return ("file_name", "text", "log_prob", "confidence", "model", *doubt)

    @property
    def header(self):
        return self._mark + self._names

    @property
    def _names(self) -> str:
        return ",".join(self.columns) + "\n"

    def success(self, file_name, caption):
        doubt = {"low_confidence": "true" if caption.low_confidence else ""}
        return self._rows(success_record(file_name, each) | doubt for each in caption.candidates or (caption,))

    def _rows(self, records: Iterable[dict]) -> str:
        return "".join(",".join(self._cell(record[name]) for name in self.columns) + "\n" for record in records)

    def _cell(self, value) -> str:
        """As RFC 4180 has it; the csv module would leave a lone carriage return without quotes, and not read it again.

        A semicolon is quoted as well: where it separates cells, what follows it could be run.
        """
        text = value if self._is_raw or not isinstance(value, str) else spreadsheet_cell(value)
        text = str(text)
        return f'"{text.replace(chr(34), 2 * chr(34))}"' if re.search('[",;\r\n]', text) else text

    def may_begin(self, content):
        headers = (self._names.encode(), codecs.BOM_UTF8 + self._names.encode())
        return any(content[: len(header)] == header[: len(content)] for header in headers)

    def read(self, lines):
        import csv

        start = end = 0

        def whole_lines() -> Iterator[str]:
            nonlocal end
            for line in lines:
                if line.endswith(b"\n"):
                    end += len(line)
                    yield line.decode("utf-8", "surrogateescape")

        rows = csv.reader(whole_lines(), strict=True)
        try:
            for row in rows:
                if start == 0 and ",".join(row).removeprefix("\ufeff") != ",".join(self.columns):
                    raise NoRecord(f"line 1 is not {','.join(self.columns)}, and so line 1")
                if len(row) != len(self.columns):
                    raise NoRecord(f"line {rows.line_num}")
                if start > 0:
                    yield Entry(row[0] if self._is_raw else text_of_cell(row[0]), False, start, end)
                start = end
        except csv.Error as error:
            if next(iter(lines), None) is None and "unexpected end" in str(error):
                return  # broken off inside quotes
            raise NoRecord(f"line {rows.line_num}") from error


FORMS: dict[str, type[Form]] = {"text": Text, "jsonl": JsonLines, "csv": Csv}
