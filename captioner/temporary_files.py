"""Temporary files and folders beside what is to be written: locked while they are in use, cleaned up after a kill.

A lock tells whether the process that made one is alive. Process numbers do not: two containers that share a folder may
have the same ones, and a number is given to another process after a while.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from captioner.locks import leads_to

MAX_KEPT_BYTES = 100  # of a target's name in that of its temporary file; file systems take 143 (eCryptfs) to 255
_PART = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-[0-9]{1,10}\.part", re.DOTALL)


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """The path of an empty file beside `target`, which is removed at the end if it is still there.

    Where `target` exists, nobody but its writer may read the file: `copy_status` gives it the permissions of `target`.
    Raises: OSError when it cannot be made.
    """
    mode = 0o600 if os.path.lexists(target) else 0o666

    def make(path: Path) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))

    with _claimed(target, make) as path:
        yield path


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """The path of an empty folder beside `target`, which is removed at the end if it is still there.

    Raises: OSError when it cannot be made.
    """
    with _claimed(target, Path.mkdir) as path:
        yield path


@contextmanager
def _claimed(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    path, lock = _claim(target, make)
    try:
        yield path
    finally:
        remove(path)
        if lock is not None:
            os.close(lock)


def _claim(target: Path, make: Callable[[Path], None]) -> tuple[Path, int | None]:
    """The path of what was made, and its lock, None where the file system knows no locks."""
    while True:
        path = target.parent / f".{_shortened(target.name)}.{_host()}-{int.from_bytes(os.urandom(4))}.part"
        try:
            make(path)
        except FileExistsError:
            continue
        with suppress(BlockingIOError, FileNotFoundError):  # a process that cleans up was there before the lock
            lock = _lock(path)
            if lock is None or leads_to(path, lock):
                return path, lock
            os.close(lock)


def _shortened(name: str) -> str:
    """The name as far as it may go into another one, told apart by its checksum where that is not all of it."""
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_KEPT_BYTES:
        return name
    return f"{encoded[: MAX_KEPT_BYTES - 9].decode(errors='ignore')}~{zlib.crc32(encoded):08x}"


@cache
def _host() -> str:
    """This machine or container in eight letters: not every file system shares its locks with other machines."""
    import platform

    return f"{zlib.crc32(platform.node().encode()):08x}"


def _lock(path: Path) -> int | None:
    """The file or folder, opened and locked; None where the system or the file system knows no locks.

    Raises: BlockingIOError when it is locked; OSError when it cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where an open file could not be moved either
        return None
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # NFS locks what may be written only
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return file


@cache
def remove_left_behind_once(folder: Path) -> None:
    """As `remove_left_behind`, the first time only: to list a folder of many photos for each of them takes long."""
    remove_left_behind(folder)


def remove_left_behind(folder: Path) -> None:
    """Removes the temporary files and folders that killed runs on this machine left in the folder, and nothing else."""
    with suppress(OSError):  # a folder that cannot be listed may still be written into
        for name in os.listdir(folder):
            part = _PART.fullmatch(name)
            if part and part["host"] == _host():
                _remove_abandoned(folder / name)


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):  # it is being written, or is not ours to open
        lock = _lock(path)
        if lock is not None:  # else whether it is being written cannot be known
            remove(path)
            os.close(lock)


def remove(path: Path) -> None:
    """Removes a file or a folder with all that it holds, as far as that is allowed."""
    with suppress(OSError):  # gone already, or not ours to remove
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path)
        else:
            path.unlink()


def copy_status(target: Path, temporary: Path) -> None:
    """Gives `temporary` the owner, permissions and extended attributes of `target`, where that exists; not its times.

    The owner, and the group, stay where we may set them. A group that is another than before may do no more than
    anyone. Raises: OSError.
    """
    if not target.is_file():
        return
    import shutil

    wanted, own = target.stat(), temporary.stat()
    if hasattr(os, "chown"):  # before the permissions, which a new owner resets
        for user, group in ((-1, wanted.st_gid), (wanted.st_uid, -1)):
            with suppress(OSError):
                os.chown(temporary, user, group)
    shutil.copystat(target, temporary)
    os.utime(temporary, ns=(own.st_atime_ns, own.st_mtime_ns))
    if temporary.stat().st_gid != wanted.st_gid:
        anyone = wanted.st_mode & 0o007
        temporary.chmod(wanted.st_mode & 0o7707 | anyone << 3)
