"""Records of captions as Parquet."""

import io
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from captioner.errors import CaptionerError, ImageError
from captioner.files import check_target, written_whole
from captioner.inference import Caption
from captioner.locks import claimed
from captioner.options import ShapeOptions
from captioner.outputs.forms import error_record, success_record
from captioner.outputs.output import Output
from captioner.outputs.shape import shaped
from captioner.photos import Photo


def parquet():
    """`(pyarrow, pyarrow.parquet)`. Raises: CaptionerError where the extra is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CaptionerError("Parquet needs pyarrow: pip install 'captioner[parquet]'") from error
    return pyarrow, pyarrow.parquet


def table_of(records: Iterable[dict]):
    """The records of `--format jsonl` as a pyarrow table, a row a record; what a record lacks is null."""
    arrow, _ = parquet()
    text, number = arrow.string(), arrow.float64()
    said = [("text", text), ("log_prob", number), ("confidence", number)]
    schema = arrow.schema(
        [
            ("file_name", text),
            *said,
            ("model", text),
            ("low_confidence", arrow.bool_()),
            ("candidates", arrow.list_(arrow.struct(said))),
            ("error", arrow.struct([("type", text), ("message", text)])),
        ]
    )
    return arrow.Table.from_pylist([_as_text(record) for record in records], schema)


def _as_text(record: dict) -> dict:
    named = record | {"file_name": spelt_out(record["file_name"])}
    if "error" in record:
        named["error"] = {name: spelt_out(text) for name, text in record["error"].items()}
    return named


def spelt_out(text: str) -> str:
    """The text, bytes of a file name that are no valid UTF-8 spelt out: Parquet holds nothing else."""
    return text.encode("utf-8", "backslashreplace").decode()


def parquet_bytes(records: Iterable[dict]) -> bytes:
    """A whole Parquet file."""
    content = io.BytesIO()
    parquet()[1].write_table(table_of(records), content)
    return content.getvalue()


def read_records(source) -> list[dict]:
    """The records of a Parquet file, as they were. source: what pyarrow reads. Raises: CaptionerError."""
    arrow, module = parquet()
    try:
        rows = module.read_table(source).to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise CaptionerError(f"{source}: no Parquet file that can be read ({first_line(error)})") from error
    if rows and not {"file_name", "text", "error"} <= rows[0].keys():
        raise CaptionerError(f"{source}: holds no records of captions; give another file")
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class ParquetFile(Output):
    """A table that is written whole at the end, together with what the file held.

    From the moment it is opened no other process may write it: what that one had written would be lost.
    """

    def __init__(self, path, goes_on: bool, shape: ShapeOptions):
        """goes_on: whether what the file holds stays.

        Raises: CaptionerError when it holds something else, cannot be written, or another process is at it.
        """
        parquet()
        check_target(path)
        self._path, self._shape = path, shape
        self._records: dict[str, dict] = {}
        self._is_begun = False
        with ExitStack() as claim:
            if os.path.isfile(path) or not os.path.exists(path):  # and no pipe or device
                claim.enter_context(claimed(_lock_path(path), str(path)))
            if goes_on and os.path.isfile(path) and os.path.getsize(path):
                self._records = {record["file_name"]: record for record in read_records(path)}
            self._claim = claim.pop_all()

    def is_settled(self, photo: Photo, anew: bool) -> bool:
        return not anew and self._is_made(photo)

    def target(self, photo):
        return str(self._path)

    def begin(self, file_names):
        self._is_begun = True

    def write(self, photo: Photo, caption: Caption) -> None:
        self._records[spelt_out(photo.file_name)] = success_record(photo.file_name, shaped(caption, self._shape))

    def write_error(self, photo: Photo, error: ImageError) -> None:
        if not self._is_made(photo):  # no photo has two records
            self._records[spelt_out(photo.file_name)] = error_record(photo.file_name, error)

    def _is_made(self, photo: Photo) -> bool:
        return "text" in self._records.get(spelt_out(photo.file_name), ())

    def close(self) -> None:
        with self._claim:
            if self._is_begun:
                self._write()

    def _write(self) -> None:
        try:
            with written_whole(self._path) as temporary:
                temporary.write_bytes(parquet_bytes(self._records.values()))
        except OSError as error:
            raise CaptionerError(f"{self._path}: cannot be written ({error.strerror or error})") from error


def _lock_path(path: Path) -> Path:
    target = Path(os.path.realpath(path))
    return target.with_name(f".{target.name}.lock")
