"""Folders and files wherever they are: on this machine or shared, or in object storage, through Arrow."""

import os
import uuid
from dataclasses import dataclass, replace
from functools import cache

from captioner.errors import CaptionerError
from captioner.outputs.tables import first_line, parquet

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # of an object store other than Amazon's


def is_remote(name: str) -> bool:
    """Whether it is an address such as s3://bucket/folder, and not a path."""
    return "://" in name


@dataclass(frozen=True)
class Place:
    """A file or folder.

    name: as it was given, without what follows a question mark; path: as its file system has it; settings: what follows
    the question mark, of the file system.
    """

    name: str
    path: str
    files: object  # pyarrow.fs.FileSystem
    settings: str = ""

    @classmethod
    def of(cls, address: str) -> "Place":
        """address: a path, or what begins with s3://, gs:// or file://. Raises: CaptionerError."""
        parquet()
        if not is_remote(address):
            return cls(address, os.path.abspath(address), _files_at("file", "", ""))
        scheme, _, rest = address.partition("://")
        path, _, settings = rest.partition("?") if "=" in rest.rpartition("?")[2] else (rest, "", "")
        name = f"{scheme}://{path}"
        with told_of(name):
            files = _files_at(scheme, path.partition("/")[0], settings or _usual_settings(scheme))
            return cls(name, path, files, settings)

    @property
    def address(self) -> str:
        return f"{self.name}?{self.settings}" if self.settings else self.name

    def __truediv__(self, below: str) -> "Place":
        name, path = (f"{above.rstrip('/')}/{below}" for above in (self.name, self.path))
        return replace(self, name=name, path=path)

    @property
    def above(self) -> "Place":
        """The folder that it lies in."""
        name, path = (each.rpartition("/")[0] for each in (self.name, self.path))
        return replace(self, name=name, path=path)

    @property
    def is_local(self) -> bool:
        return self.files.type_name == "local"

    def read(self) -> bytes:
        """Raises: CaptionerError."""
        with told_of(self.name), self.files.open_input_stream(self.path) as stream:
            return stream.read()

    def open(self):
        """The file, to be read from any position. Raises: CaptionerError."""
        with told_of(self.name):
            return self.files.open_input_file(self.path)

    def write_whole(self, content: bytes) -> None:
        """The file is there with all of it, or not at all. Raises: CaptionerError."""
        folder, _, name = self.path.rpartition("/")
        with told_of(self.name):
            if not self.is_local:
                self._write(self.path, content)  # an object is there when its stream is closed
                return
            self.files.create_dir(folder)
            temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.part"
            self._write(temporary, content)
            self.files.move(temporary, self.path)

    def _write(self, path: str, content: bytes) -> None:
        with self.files.open_output_stream(path) as stream:
            stream.write(content)

    def names(self) -> list[str]:
        """Of the files in a folder, sorted; none where there is no folder. Raises: CaptionerError."""
        return [info.base_name for info in self.entries() if info.is_file]

    def entries(self) -> list:
        """What lies in a folder, as pyarrow tells of it, by name. Raises: CaptionerError."""
        from pyarrow.fs import FileSelector

        with told_of(self.name):
            found = self.files.get_file_info(FileSelector(self.path, allow_not_found=True))
        return sorted(found, key=lambda info: info.base_name)

    def kind(self) -> str:
        """ "file", "folder" or "" where there is nothing. Raises: CaptionerError."""
        with told_of(self.name):
            info = self.files.get_file_info(self.path)
        return "file" if info.is_file else "folder" if info.type.name == "Directory" else ""

    def remove(self) -> None:
        with told_of(self.name):
            self.files.delete_file(self.path)


class told_of:
    """Whatever Arrow raises inside comes as one line that names the place."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, OSError | ValueError) or type(error).__module__.startswith("pyarrow"):
            raise CaptionerError(f"{self._name}: {first_line(error)}") from error


@cache
def _files_at(scheme: str, host: str, settings: str):
    """The file system of a scheme and its bucket, opened once. Raises: what pyarrow raises."""
    import pyarrow.fs

    if scheme == "file":
        return pyarrow.fs.LocalFileSystem()
    address = f"{scheme}://{host}"
    return pyarrow.fs.FileSystem.from_uri(f"{address}?{settings}" if settings else address)[0]


def _usual_settings(scheme: str) -> str:
    """As for Amazon's own tools, a variable tells of another object store."""
    if scheme != "s3":
        return ""
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    transport, _, host = endpoint.rpartition("://")
    return f"scheme={transport or 'https'}&endpoint_override={host}" if host else ""
