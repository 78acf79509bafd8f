"""Files written whole or not at all, and by one process at a time."""

import errno
import json
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.temporary_files import (
    copy_status,
    remove,
    remove_left_behind,
    remove_left_behind_once,
    temporary_file,
    temporary_folder,
)


@contextmanager
def written_whole(path: Path):
    """A temporary path beside `path`, moved onto it when the block ends well, removed when it does not.

    The file that was there gives its permissions, owner and extended attributes to the new one. What killed runs left
    in the folder is removed, too. A link keeps leading where it leads; what is no file, such as /dev/null or a pipe,
    is written itself. Raises: CaptionerError when it cannot be written.
    """
    is_device = os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
    target = Path(path) if is_device else Path(os.path.realpath(path))
    try:
        if is_device:
            yield target
            return
        remove_left_behind_once(target.parent)
        with temporary_file(target) as temporary:
            yield temporary
            copy_status(target, temporary)
            os.replace(temporary, target)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def folder_written_whole(path: Path):
    """A temporary folder whose content becomes that of `path` when the block ends well, and is removed when not.

    `path` must be free, or an empty folder, which stays the folder it is: it may be mounted, or somebody's shell may
    stand in it. What killed runs left there is removed; nothing else is.
    Raises: CaptionerError when it holds something, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in (target.parent, target):
            remove_left_behind(folder)
        is_there = target.is_dir()
        if target.exists() and not (is_there and not any(target.iterdir())):
            raise CaptionerError(f"{path}: holds something already; give a folder that is new or empty")
        with temporary_folder(target / target.name if is_there else target) as temporary:
            yield temporary
            if is_there:
                for entry in sorted(temporary.iterdir()):
                    os.replace(entry, target / entry.name)
            else:
                os.replace(temporary, target)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def locked(path: Path, what: str, say: Callable[[str], None]):
    """No other process is in such a block with the same `path` meanwhile. The file may stay: the lock is what counts.

    Waits for a process that is, and says which one that is. what: it protects. A process that ends, however, leaves.
    Raises: CaptionerError when the file cannot be made or the folder's file system knows no locks.
    """
    from filelock import FileLock, Timeout

    lock, holder_path = FileLock(path), path.with_name(f"{path.name}.holder")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for {_read_holder(holder_path)}, which is writing {what}")
            lock.acquire(poll_interval=0.2)
        with suppress(OSError):  # only tells others whom they wait for
            holder_path.write_text(f"process {os.getpid()} on {_host_name()}", encoding="utf-8")
    except (OSError, NotImplementedError) as error:
        raise CaptionerError(f"{path}: cannot be locked ({getattr(error, 'strerror', None) or error})") from error
    try:
        yield
    finally:
        remove(holder_path)
        lock.release()


def _read_holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "another process"
    except (OSError, ValueError):
        return "another process"


@cache
def _host_name() -> str:
    import platform

    return platform.node()


def check_regular(path: Path, most_bytes: int) -> None:
    """Whether the file ends, and soon: /dev/zero and pipes do not, and a stranger's folder may hold or lead to these.

    Raises: OSError when it is missing or a folder; ValueError, which says why, when it is no regular file, or larger.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > most_bytes:
        raise ValueError(f"{status.st_size / 1e6:,.0f} MB, more than the {most_bytes / 1e6:,.0f} MB that it may have")


def read_json(path: Path, most_bytes: int):
    """What a JSON file holds that may be a stranger's; bytes that are no UTF-8, as in file names, come as surrogates.

    Raises: OSError when it cannot be read; ValueError, whose text says why, when it is no JSON or as `check_regular`
    does.
    """
    check_regular(path, most_bytes)
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error


def _refuse_constant(name: str):
    raise ValueError(f"{name} is no number of JSON")


def write_json(path: Path, values) -> None:
    write_text(path, json_text(values))


def json_text(values) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8; a file name in the text that is no valid UTF-8 goes out as the bytes it has."""
    write_texts({path: text})


def write_texts(texts: dict[Path, str]) -> None:
    """Writes each as `write_text` does, after all of them found room; the first takes its place last.

    An old one of the first is taken away before the others take their places: where it is, all fit each other.
    """
    with ExitStack() as moves:
        for path, text in texts.items():
            temporary = moves.enter_context(written_whole(path))
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
        if len(texts) > 1:
            first = next(iter(texts))
            if os.path.isfile(first):  # and no pipe or device
                os.unlink(os.path.realpath(first))


def make_folder(path: Path) -> Path:
    """Raises: CaptionerError when the folder is not there and cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be made ({error.strerror or error})") from error
    return path


def check_writable(folder: Path) -> None:
    """Raises: CaptionerError when no file can be written there, hours before the first one is."""
    from tempfile import TemporaryFile

    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CaptionerError(f"{folder}: cannot be written ({error.strerror or error})") from error


def check_target(path: Path) -> None:
    """Raises: CaptionerError when `written_whole` could not write that file, hours before it is to."""
    if os.path.isdir(path):  # unlike in pathlib, what may not be looked at is no error
        raise CaptionerError(f"{path}: a folder, not a file")
    if os.path.islink(path):
        path = Path(os.path.realpath(path))
    if not os.path.exists(path) or os.path.isfile(path):  # else a device or a pipe, which is written itself
        check_writable(path.parent)


def sha256_of(path: Path) -> str:
    import hashlib  # OpenSSL with it, which those who hash nothing need not load

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
