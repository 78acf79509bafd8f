"""Records of captions on a stream, or in a file that is gone on with."""

import os
from collections.abc import Collection
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from captioner.errors import CaptionerError
from captioner.files import written_whole
from captioner.locks import holder_of, leads_to, lock_at_once
from captioner.options import ShapeOptions
from captioner.outputs.forms import Entry, Form, NoRecord
from captioner.outputs.output import Output
from captioner.outputs.shape import shaped

_COPIED_AT_ONCE = 1 << 20  # bytes


class Stream(Output):
    """Every record is out before the next one is made."""

    def __init__(self, form: Form, stream: TextIO, shape: ShapeOptions):
        self._form, self._stream, self._shape = form, stream, shape
        self._has_begun = False

    def begin(self, file_names):
        if self._has_begun:
            return
        self._has_begun = True
        if isinstance(self._stream, TextIOWrapper):  # a file name that is no valid text goes out as the bytes it has
            self._stream.reconfigure(errors="surrogateescape")
        self._say(self._form.header)

    def write(self, photo, caption):
        self._say(self._form.success(photo.file_name, shaped(caption, self._shape)))

    def write_error(self, photo, error):
        self._say(self._form.error(photo.file_name, error))

    def _say(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


class RecordFile(Output):
    """A file with a record a photo, which is appended to: at every moment its records are whole, but for a last one.

    What a killed run left of its last record is taken away, and so are errors of photos that are tried again. From the
    moment it is opened no other process may write it.
    """

    def __init__(self, path: Path, form: Form, goes_on: bool, shape: ShapeOptions, rows_a_photo: int = 1):
        """goes_on: whether what the file holds stays; otherwise it is written anew once the first caption is at hand.

        rows_a_photo: records that a photo has, at most; where the last one has fewer, it broke off there.
        Raises: CaptionerError when the file holds something else, cannot be written, or another process is at it.
        """
        self._path, self._form, self._shape = path, form, shape
        self._is_regular = os.path.isfile(path) or not os.path.exists(path)  # and no pipe or device
        self._file: int | None = None
        self._size = 0  # of what stays
        self._errors: dict[str, Entry] = {}
        self._made: set[str] = set()
        if self._is_regular and os.path.exists(path):
            self._file = self._open()
            if goes_on:
                self._read(rows_a_photo)

    def _read(self, rows_a_photo: int) -> None:
        last: list[Entry] = []  # of the last photo
        try:
            with open(self._path, "rb") as file:
                for entry in self._form.read(file):
                    if entry.is_error:
                        self._errors[entry.file_name] = entry
                    else:
                        self._made.add(entry.file_name)
                    last = [each for each in last if each.file_name == entry.file_name] + [entry]
                    self._size = entry.end
                file.seek(self._size)
                if self._size == 0 and not self._form.may_begin(file.read(_COPIED_AT_ONCE)):
                    raise NoRecord("what it holds")
        except OSError as error:
            raise CaptionerError(f"{self._path}: cannot be read ({error.strerror or error})") from error
        except NoRecord as error:
            raise CaptionerError(f"{self._path}: {error} is no record of a caption; give another file") from error
        if last and not last[0].is_error and len(last) < rows_a_photo:
            self._made.discard(last[0].file_name)
            self._size = last[0].start

    def _open(self) -> int:
        """The file, opened and locked. Raises: CaptionerError when it cannot be, or another process is at it."""
        try:
            while True:
                file = os.open(self._path, os.O_WRONLY | os.O_APPEND | (os.O_CREAT if self._is_regular else 0), 0o666)
                if not self._is_regular:
                    return file
                self._lock(file)
                if leads_to(self._path, file):
                    return file
                os.close(file)  # another one took its place while it was opened
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def _lock(self, file: int) -> None:
        """Raises: CaptionerError when another process has the open file locked, which is closed then; OSError."""
        if os.name == "nt":  # where a lock keeps the process itself from reading
            return
        if not lock_at_once(file):
            holder = holder_of(file)
            os.close(file)
            raise CaptionerError(f"{self._path}: {holder} is writing it")

    def forget(self) -> None:
        """The file, which is known to hold records, is written anew when it is begun."""
        self._size, self._errors, self._made = 0, {}, set()

    def is_settled(self, photo, anew):
        return not anew and photo.file_name in self._made

    def target(self, photo):
        return str(self._path)

    def begin(self, file_names):
        if self._file is None:
            self._file = self._open()
            if self._is_regular and os.fstat(self._file).st_size:
                raise CaptionerError(f"{self._path}: another process has written it meanwhile; run the command again")
        self._forget_errors(file_names)
        try:
            if self._is_regular:
                os.ftruncate(self._file, self._size)
        except OSError as error:
            raise self._cannot_be_written(error) from error
        if self._size == 0:
            self._append(self._form.header)

    def _forget_errors(self, file_names: Collection[str]) -> None:
        """Takes the error records of these photos out of the file: they are tried again."""
        dropped = [self._errors.pop(name) for name in file_names if name in self._errors]
        if not dropped:
            return
        with written_whole(self._path) as temporary, temporary.open("wb") as kept, open(self._path, "rb") as file:
            for entry in sorted(dropped, key=lambda entry: entry.start):
                _copy(file, kept, entry.start)
                file.seek(entry.end)
            _copy(file, kept, self._size)
            self._size = kept.tell()
        self.close()
        self._file = self._open()  # refused where another process was quicker, which then has all of it

    def write(self, photo, caption):
        self._append(self._form.success(photo.file_name, shaped(caption, self._shape)))
        self._made.add(photo.file_name)

    def write_error(self, photo, error):
        if photo.file_name not in self._made:  # no photo has two records
            self._append(self._form.error(photo.file_name, error))

    def _append(self, text: str) -> None:
        content = text.encode("utf-8", "surrogateescape")
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            if self._is_regular:
                os.ftruncate(self._file, self._size)
            raise self._cannot_be_written(error) from error
        self._size += len(content)

    def _cannot_be_written(self, error: OSError) -> CaptionerError:
        return CaptionerError(f"{self._path}: cannot be written ({error.strerror or error})")

    def close(self):
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _copy(source: BinaryIO, target: BinaryIO, end: int) -> None:
    """Copies from where the source stands up to that position."""
    while (left := end - source.tell()) > 0:
        target.write(source.read(min(left, _COPIED_AT_ONCE)))
