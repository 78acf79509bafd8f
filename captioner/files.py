"""Files written whole or not at all, and by one process at a time."""

import errno
import json
import os
import re
import stat
import zlib
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from captioner.errors import CaptionerError


@contextmanager
def written_whole(path: Path):
    """A temporary path beside `path`, moved onto it when the block ends well, removed when it does not.

    What a killed run left of the same target is removed, too.
    A link keeps leading where it leads; what is no file, such as /dev/null or a pipe, is written itself.
    Raises: CaptionerError when it cannot be written.
    """
    is_device = os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
    target = Path(path) if is_device else Path(os.path.realpath(path))
    temporary = target if is_device else _temporary_beside(target)
    try:
        if not is_device:
            _remove_left_behind(target)
        yield temporary
        if not is_device:
            os.replace(temporary, target)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if not is_device:
            _remove(temporary)


@contextmanager
def folder_written_whole(path: Path):
    """A temporary folder whose content becomes that of `path` when the block ends well, and is removed when not.

    `path` must be free, or an empty folder, which stays the folder it is: it may be mounted, or somebody's shell may
    stand in it. What a killed run left of the same target is removed; nothing else is.
    Raises: CaptionerError when it holds something, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = _temporary_beside(target / target.name if target.is_dir() else target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(target)
        if target.is_dir():
            _remove_left_behind(target / target.name)
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise CaptionerError(f"{path}: holds something already; give a folder that is new or empty")
        temporary.mkdir()
        yield temporary
        if temporary.parent != target:
            os.replace(temporary, target)
        else:
            for entry in sorted(temporary.iterdir()):
                os.replace(entry, target / entry.name)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        _remove(temporary)


def _temporary_beside(target: Path) -> Path:
    return target.parent / f".{target.name}.{_host()}-{os.getpid()}.part"


_PART = re.compile(r"\.(?P<target>.+)\.(?P<host>[0-9a-f]{8})-(?P<process>[0-9]{1,9})\.part", re.DOTALL)


@cache
def _host() -> str:
    """This machine or container in eight letters: process numbers mean nothing on another that shares the folder."""
    return f"{zlib.crc32(_host_name().encode()):08x}"


def _remove_left_behind(target: Path) -> None:
    for process, path in _left_behind(target.parent).get(target.name, ()):
        if not _is_running(process):
            _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # gone already, or not ours to remove
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path)
        else:
            path.unlink()


@cache
def _left_behind(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """`(process, temporary path)` of other runs on this machine, by target.

    A folder is looked through once: that takes long where a caption is written beside each of very many photos.
    """
    found: dict[str, list[tuple[int, Path]]] = {}
    with suppress(OSError):  # a folder that cannot be listed may still be written into
        for name in os.listdir(folder):
            part = _PART.fullmatch(name)
            if part and part["host"] == _host():
                found.setdefault(part["target"], []).append((int(part["process"]), folder / name))
    return found


def _is_running(process: int) -> bool:
    """Whether a process has that number; yes where it cannot be known, as on Windows, where asking would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


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
        _remove(holder_path)
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
