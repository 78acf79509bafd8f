"""The feature cache: what the encoder saw in each photo, computed once, memory-mapped ever after."""

import json
import os
from pathlib import Path

import numpy as np

from captioner.errors import DatasetError
from captioner.files import make_folder


class FeatureCache:
    """`features/<key>.npy`, one float16 row a photo, and `<key>.index.jsonl`, one photo a line in row order.

    A row is written before its line of the index, so a kill at any moment loses at most the photos under way;
    a line names the photo's size and time of change, so a photo that changed is encoded again.
    """

    def __init__(self, folder: Path, key: str, num_regions: int, depth: int):
        self.path = folder / f"{key}.npy"
        self.index_path = folder / f"{key}.index.jsonl"
        self.row_shape = (num_regions, depth)
        self.rows: dict[str, int] = {}
        self._stamps: dict[str, list[int]] = {}
        self._num_used = 0
        self._load_index()

    def __contains__(self, image: str) -> bool:
        return image in self.rows

    def features(self) -> np.ndarray:
        """(rows, regions, depth) float16, read-only, mapped from disk. Raises: DatasetError when it is not there."""
        try:
            features = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path}: no features can be read; run `captioner prepare` again") from error
        if features.shape[1:] != self.row_shape or features.shape[0] < self._num_used:
            raise DatasetError(f"{self.path}: does not fit its index; delete both and run `captioner prepare` again")
        return features

    def is_fresh(self, image: str, photo_path: Path) -> bool:
        """Whether the photo has a row, and has not changed since."""
        return image in self.rows and self._stamps[image] == _stamp(photo_path)

    def writer(self, num_more: int):
        """A function `(images, photo_paths, features) -> None` that adds rows; room for `num_more` is made now."""
        make_folder(self.path.parent)
        self._make_room(self._num_used + num_more)
        data_start = self._data_start()

        def write(images: list[str], photo_paths: list[Path], features: np.ndarray) -> None:
            start = self._num_used
            rows = np.ascontiguousarray(features, np.float16)
            # written, not mapped: pages written through a map would count as this process's memory
            with self.path.open("r+b") as file:
                file.seek(data_start + start * rows[0].nbytes)
                file.write(rows.tobytes())
            with self.index_path.open("a", encoding="utf-8") as index:
                for row, (image, photo_path) in enumerate(zip(images, photo_paths, strict=True), start):
                    line = {"image": image, "stamp": _stamp(photo_path)}
                    index.write(json.dumps(line, ensure_ascii=False) + "\n")
                    self.rows[image], self._stamps[image] = row, line["stamp"]
            self._num_used += len(images)

        return write

    def _load_index(self) -> None:
        if not (self.index_path.exists() and self.path.exists()):
            self.index_path.unlink(missing_ok=True)
            return
        content = self.index_path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # the last line was being written when the run was killed
            os.truncate(self.index_path, len(whole))
        for row, line in enumerate(whole.splitlines()):
            try:
                entry = json.loads(line)
                self.rows[entry["image"]], self._stamps[entry["image"]] = row, entry["stamp"]
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(f"{self.index_path}, line {row + 1}: not a line of a feature index") from error
            self._num_used = row + 1

    def _data_start(self) -> int:
        with self.path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            return file.tell()

    def _make_room(self, num_rows: int) -> None:
        if not self.path.exists():
            np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float16, shape=(num_rows, *self.row_shape))
            return
        present = np.load(self.path, mmap_mode="r")
        if present.shape[0] >= num_rows:
            return
        data_start = self._data_start()
        with self.path.open("r+b") as file:  # the header keeps spare digits for just this: the data stays put
            header = {"descr": "<f2", "fortran_order": False, "shape": (num_rows, *self.row_shape)}
            np.lib.format.write_array_header_1_0(file, header)
            if file.tell() != data_start:
                raise DatasetError(f"{self.path}: cannot grow; delete it and run `captioner prepare` again")
            file.truncate(data_start + num_rows * int(np.prod(self.row_shape)) * 2)


def _stamp(photo_path: Path) -> list[int]:
    status = photo_path.stat()
    return [status.st_size, status.st_mtime_ns]
