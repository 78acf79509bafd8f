"""The feature cache: what the encoder saw in each photo, computed once, memory-mapped ever after."""

import io
import json
from pathlib import Path

import numpy as np

from captioner.errors import DatasetError
from captioner.files import make_folder

_FLOAT16 = "<f2"


class FeatureCache:
    """`features/<key>.npy`, one float16 row a photo, and `<key>.index.jsonl`, one photo a line in row order.

    A row is written before its line of the index, so a kill at any moment loses at most the photos under way;
    a line names the photo's size and time of change, so a photo that changed is encoded again. Opening changes
    nothing on disk; where the index is torn, or the file does not fit it, what cannot be trusted is not there.
    """

    def __init__(self, folder: Path, key: str, num_regions: int, depth: int):
        """Raises: DatasetError when the index is there and cannot be read."""
        self.path = folder / f"{key}.npy"
        self.index_path = folder / f"{key}.index.jsonl"
        self.row_shape = (num_regions, depth)
        self.rows: dict[str, int] = {}
        self._stamps: dict[str, list[int]] = {}
        self._num_used = 0
        self._index_size = 0  # bytes of the index that are whole lines
        self._load_index()

    def __contains__(self, image: str) -> bool:
        return image in self.rows

    def features(self) -> np.ndarray:
        """(rows, regions, depth) float16, read-only, mapped from disk. Raises: DatasetError when it is not there."""
        try:
            features = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(f"{self.path}: no features can be read; run `captioner prepare` again") from error
        if features.dtype != _FLOAT16 or features.shape[1:] != self.row_shape or len(features) < self._num_used:
            raise DatasetError(f"{self.path}: does not fit its index; run `captioner prepare` again")
        return features

    def is_fresh(self, image: str, stamp: list[int]) -> bool:
        """Whether the photo has a row, and has not changed since. stamp: its `photo_stamp`."""
        return image in self.rows and self._stamps[image] == stamp

    def writer(self, num_more: int):
        """A function `(images, stamps, features) -> None` that adds rows; room for `num_more` is made now.

        Raises: DatasetError, then and later, when the files cannot be written.
        """
        make_folder(self.path.parent)
        try:
            data_start = self._make_room(self._num_used + num_more)
            with self.index_path.open("ab") as index:
                index.truncate(self._index_size)
        except OSError as error:
            raise self._not_written(error) from error

        def write(images: list[str], stamps: list[list[int]], features: np.ndarray) -> None:
            rows = np.asarray(features, _FLOAT16)
            assert rows.shape == (len(images), *self.row_shape)
            try:
                with self.path.open("r+b") as file:  # not through a map: a full disk would end the process there
                    file.seek(data_start + self._num_used * rows[0].nbytes)
                    file.write(rows.tobytes())
                with self.index_path.open("a", encoding="utf-8") as index:
                    for image, stamp in zip(images, stamps, strict=True):
                        index.write(json.dumps({"image": image, "stamp": stamp}) + "\n")
            except OSError as error:
                raise self._not_written(error) from error
            for image, stamp in zip(images, stamps, strict=True):
                self.rows[image], self._stamps[image] = self._num_used, stamp
                self._num_used += 1

        return write

    def _load_index(self) -> None:
        try:
            lines = self.index_path.read_bytes().splitlines(keepends=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise DatasetError(f"{self.index_path}: cannot be read ({error.strerror or error})") from error
        entries, size = [], 0
        for line in lines:
            try:
                entry = json.loads(line)
                entries.append((entry["image"], entry["stamp"]))
            except (ValueError, KeyError, TypeError):
                break
            if not line.endswith(b"\n"):  # it was being written when the run was killed
                entries.pop()
                break
            size += len(line)
        try:
            if len(self.features()) < len(entries):
                return
        except DatasetError:
            return
        self._num_used, self._index_size = len(entries), size
        for row, (image, stamp) in enumerate(entries):
            self.rows[image], self._stamps[image] = row, stamp

    def _make_room(self, num_rows: int) -> int:
        """Makes the file that long, rows in use untouched; gives back where its data starts, in bytes."""
        present = self.features() if self._num_used else None
        if present is not None and len(present) >= num_rows:
            return present.offset
        header = io.BytesIO()  # it keeps spare digits for just this: the data stays put when the file grows
        shape = (num_rows, *self.row_shape)
        np.lib.format.write_array_header_1_0(header, {"descr": _FLOAT16, "fortran_order": False, "shape": shape})
        assert present is None or present.offset == header.tell()
        with self.path.open("wb" if present is None else "r+b") as file:
            file.truncate(header.tell() + 2 * num_rows * self.row_shape[0] * self.row_shape[1])
            file.write(header.getvalue())  # last: a header that promises more than there is makes all unreadable
        return header.tell()

    def _not_written(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self.path}: cannot be written ({error.strerror or error})")


def photo_stamp(photo_path: Path) -> list[int] | None:
    """Size in bytes and time of change in nanoseconds: what shows that a photo changed; None where it is missing."""
    try:
        status = photo_path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
