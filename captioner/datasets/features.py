"""The feature cache: encoder output of every photo, computed once and read by memory map in every epoch after.

A folder per encoder, named by its key:

    cache.json     what a row is: number type, regions, channels, and for integers what they stand for
    rows.bin       a row a view, appended: (regions, depth) int8, or float16 where the encoder computes in float
    index.jsonl    {"image", "stamp", "row"}, a line a row
    lock           held by the process that writes
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captioner.errors import DatasetError
from captioner.files import locked, make_folder, write_json, write_text
from captioner.quantization import Quantization

CACHE_FILE, ROWS_FILE, INDEX_FILE, LOCK_FILE = "cache.json", "rows.bin", "index.jsonl", "lock"
CACHE_FORMAT = 2
_FLOAT16 = np.dtype("<f2")

# (images, stamps, rows: (images, regions, depth)) -> None
Write = Callable[[list[str], list[list[int]], np.ndarray], None]


@dataclass(frozen=True)
class RowFormat:
    """What a row of a cache is: int8 with what the integers stand for, or float16 where `quantization` is None."""

    num_regions: int
    depth: int
    quantization: Quantization | None = None

    @property
    def dtype(self) -> np.dtype:
        return _FLOAT16 if self.quantization is None else np.dtype(np.int8)

    @property
    def num_bytes(self) -> int:
        return self.num_regions * self.depth * self.dtype.itemsize

    def to_json(self) -> dict:
        quantization = {} if self.quantization is None else self.quantization.to_json()
        shape = {"num_regions": self.num_regions, "depth": self.depth}
        return {"format": CACHE_FORMAT, **shape, "dtype": self.dtype.name, **quantization}

    @classmethod
    def from_json(cls, values: dict) -> "RowFormat":
        """Raises: KeyError, TypeError, ValueError when the values are not those of `to_json`."""
        if values["format"] != CACHE_FORMAT or values["dtype"] not in ("int8", "float16"):
            raise ValueError("another format")
        num_regions, depth = int(values["num_regions"]), int(values["depth"])
        if values["dtype"] == "float16":
            return cls(num_regions, depth)
        quantization = Quantization.from_json(values)
        if quantization.scale.shape != (depth,):
            raise ValueError("not a scale a channel")
        if not (np.isfinite(quantization.scale) & (quantization.scale > 0)).all():
            raise ValueError("a scale is above 0")
        if not -128 <= quantization.zero_point <= 127:
            raise ValueError("a zero point is an int8 number")
        return cls(num_regions, depth, quantization)


class Features:
    """The rows of a cache as real numbers; mapped from disk, so they may be more than fits into memory."""

    def __init__(self, rows: np.ndarray, quantization: Quantization | None):
        """rows: (rows, regions, depth) float16, or int8 with `quantization`."""
        self._rows, self._quantization = rows, quantization
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows) -> np.ndarray:
        """rows: an index, or an array of n -> (regions, depth), or (n, regions, depth), float32."""
        chosen = self._rows[rows]
        return chosen.astype(np.float32) if self._quantization is None else self._quantization.dequantize(chosen)


class FeatureCache:
    """The rows of one encoder in a prepared dataset. Opening one changes nothing on disk.

    A row is written before its line of the index, so a kill at any moment loses at most the rows under way. A line
    names the photo's size and time of change, so a photo that changed is encoded again. Lines that are torn, and
    those whose row is not there, count for nothing.
    """

    def __init__(self, folder: Path, encoder):
        """folder: of the caches of a dataset; encoder: any object with `key`, `num_regions` and `depth`.

        Raises: DatasetError when the cache cannot be read, or does not fit the encoder.
        """
        self.path = folder / encoder.key
        self._shape = encoder.num_regions, encoder.depth
        self.rows: dict[str, int] = {}
        self._stamps: dict[str, list[int]] = {}
        self._load()

    def __contains__(self, image: str) -> bool:
        return image in self.rows

    def is_fresh(self, image: str, stamp: list[int]) -> bool:
        """Whether the photo has a row, and has not changed since. stamp: its `photo_stamp`."""
        return image in self.rows and self._stamps[image] == stamp

    def features(self) -> Features:
        """All rows, mapped from disk. Raises: DatasetError when they are not there."""
        if self.format is None:
            raise DatasetError(f"{self.path}: no features can be read; run `captioner prepare` again")
        try:
            num_rows = self._num_whole_rows()
            shape = num_rows, self.format.num_regions, self.format.depth
            rows = np.memmap(self.path / ROWS_FILE, self.format.dtype, "r", shape=shape) if num_rows else None
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path}: no features can be read; run `captioner prepare` again") from error
        return Features(np.empty(shape, self.format.dtype) if rows is None else rows, self.format.quantization)

    @contextmanager
    def writing(self, quantization: Quantization | None, say: Callable[[str], None]) -> Iterator[Write]:
        """Gives the function that adds rows; no other process adds any meanwhile.

        Waits for a process that is writing, says so, and then knows the rows that it wrote. quantization: what the
        encoder's integers stand for; None where it gives float32, which is kept as float16.
        Raises: DatasetError, then and later, when the files cannot be written.
        """
        make_folder(self.path)
        with locked(self.path / LOCK_FILE, f"the features in {self.path}", say):
            self._load()
            wanted = RowFormat(*self._shape, quantization)
            if self.format is None:
                write_json(self.path / CACHE_FILE, wanted.to_json())
                self.format = wanted
            elif self.format != wanted:
                raise DatasetError(f"{self.path}: holds features of another precision; remove it to encode anew")
            self._repair()
            yield self._write

    def _write(self, images: list[str], stamps: list[list[int]], rows: np.ndarray) -> None:
        rows = np.ascontiguousarray(rows, self.format.dtype)
        assert rows.shape == (len(images), *self._shape)
        first = self._num_rows
        entries = list(zip(images, stamps, range(first, first + len(images)), strict=True))
        try:
            with (self.path / ROWS_FILE).open("r+b") as file:  # not by a map: a full disk would end the process there
                file.seek(first * self.format.num_bytes)
                file.write(rows.data)
            with (self.path / INDEX_FILE).open("a", encoding="utf-8") as index:
                index.write("".join(map(_line, entries)))
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be written ({error.strerror or error})") from error
        for image, stamp, row in entries:
            self.rows[image], self._stamps[image] = row, stamp
        self._num_rows = first + len(images)

    def _load(self) -> None:
        """Reads the format and the index as they are on disk now."""
        self.format = self._read_format()
        self.rows, self._stamps, self._num_rows, self._is_torn = {}, {}, 0, False
        if self.format is None:
            return
        image_of: dict[int, str] = {}
        lines = self._read_index()
        num_whole = self._num_whole_rows()  # after the lines: a process that writes meanwhile writes rows first
        for line in lines:
            entry = _entry(line)
            if entry is None or entry[2] >= num_whole:
                self._is_torn = True
                continue
            image, stamp, row = entry
            other = image_of.get(row, image)
            if other != image and self.rows.get(other) == row:  # the later line is of the process that wrote the row
                del self.rows[other]
                self._is_torn = True
            image_of[row] = image
            self.rows[image], self._stamps[image] = row, stamp
            self._num_rows = max(self._num_rows, row + 1)

    def _read_format(self) -> RowFormat | None:
        path = self.path / CACHE_FILE
        try:
            found = RowFormat.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{path}: not of a cache that can be read; remove {self.path} to encode anew") from error
        if (found.num_regions, found.depth) != self._shape:
            raise DatasetError(f"{self.path}: features of another encoder; remove it to encode anew")
        return found

    def _read_index(self) -> list[bytes]:
        path = self.path / INDEX_FILE
        try:
            return path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error

    def _num_whole_rows(self) -> int:
        try:
            return os.path.getsize(self.path / ROWS_FILE) // self.format.num_bytes
        except FileNotFoundError:
            return 0

    def _repair(self) -> None:
        """Takes away what a process that was killed left half done, so that no row gets another photo's line."""
        if self._is_torn:
            entries = ((image, self._stamps[image], row) for image, row in self.rows.items())
            write_text(self.path / INDEX_FILE, "".join(map(_line, entries)))
        try:
            with (self.path / ROWS_FILE).open("ab") as file:
                file.truncate(self._num_rows * self.format.num_bytes)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be written ({error.strerror or error})") from error


def _line(entry: tuple[str, list[int], int]) -> str:
    image, stamp, row = entry
    return json.dumps({"image": image, "stamp": stamp, "row": row}) + "\n"


def _entry(line: bytes) -> tuple[str, list[int], int] | None:
    """Image, stamp and row that a whole line of the index names; None where it is torn."""
    try:
        entry = json.loads(line)
        image, stamp, row = entry["image"], entry["stamp"], entry["row"]
    except (ValueError, KeyError, TypeError):
        return None
    is_whole = line.endswith(b"\n") and isinstance(image, str) and isinstance(row, int) and row >= 0
    return (image, stamp, row) if is_whole else None


def photo_stamp(photo_path: Path) -> list[int] | None:
    """Size in bytes and time of change in nanoseconds: what shows that a photo changed; None where it is missing."""
    try:
        status = photo_path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
