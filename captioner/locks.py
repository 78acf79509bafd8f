"""Locks that leave nothing behind: a file claimed while it is made, a file changed by one process at a time."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from captioner.errors import CaptionerError

_POLL_SECONDS = 0.02
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # some network file systems know none


_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class Held(CaptionerError):
    """Another process has it; the text says which one."""


@contextmanager
def claimed(path: Path, what: str, seconds: float = 0.0) -> Iterator[None]:
    """No other process is in such a block with the same `path` meanwhile; one that is there already is not waited for.

    The file at `path` names its holder, and is removed when the block ends. A process that is killed leaves the file,
    but its claim ends. Where the file system knows no locks, or nothing may be written, nothing is claimed.
    what: is written meanwhile; seconds: to wait for the other process, at most.
    Raises: Held when another process is in the block; CaptionerError when the file cannot be made or locked.
    """
    try:
        file = _claim(path, what, time.monotonic() + seconds)
    except OSError as error:
        if error.errno not in _FORBIDDEN or os.path.lexists(path):
            raise CaptionerError(f"{path}: cannot be locked ({error.strerror or error})") from error
        yield
        return
    try:
        with suppress(OSError):  # a full disk: it only tells others who is at work
            os.write(file, _myself().encode())
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)  # while it is still locked: afterwards it may be somebody else's
        os.close(file)
        if os.name == "nt":  # where no file is removed that is open
            with suppress(OSError):
                os.unlink(path)


def _claim(path: Path, what: str, until: float) -> int:
    """The file, opened and locked. Raises: Held; OSError."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            is_locked = lock_at_once(file)
            if is_locked and leads_to(path, file):
                os.ftruncate(file, 0)
                return file
            if not is_locked and time.monotonic() >= until:
                raise Held(f"{what}: {_holder_named_in(file)} is writing it")
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        if not is_locked:
            time.sleep(_POLL_SECONDS)


@contextmanager
def changed_alone(path: str | os.PathLike) -> Iterator[None]:
    """No other process is in such a block with the same file meanwhile; one that is there already is waited for.

    The file may be replaced inside. Where it is missing, or the file system knows no locks, nothing is locked.
    """
    file = _locked_file(path)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


def _locked_file(path: str | os.PathLike) -> int | None:
    try:
        import fcntl
    except ImportError:  # Windows, where a file that is open cannot be replaced
        return None
    while True:
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if leads_to(path, file):
                return file
        except OSError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # the one before replaced it


def lock_at_once(file: int) -> bool:
    """Whether the open file is locked now, and was not by another process; yes where the file system knows no locks.

    Raises: OSError where it cannot be.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        with suppress(PermissionError):
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            return True
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def leads_to(path: str | os.PathLike, file: int) -> bool:
    """Whether the open file is the one at that path."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except OSError:  # it is gone
        return False


def holder_of(file: int) -> str:
    """Which process has the open file locked, where Linux knows it."""
    inode, holders = str(os.fstat(file).st_ino), set()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()  # "1: FLOCK ADVISORY WRITE 4711 08:01:2634 0 EOF"
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                holders.add(int(fields[4]))
    if len(holders) == 1 and min(holders) > 0:  # another container's has no number here
        return f"process {min(holders)}"
    return "another process"


def _holder_named_in(file: int) -> str:
    with suppress(OSError, ValueError):
        os.lseek(file, 0, os.SEEK_SET)
        return os.read(file, 200).decode() or "another process"
    return "another process"


def _myself() -> str:
    import platform

    return f"process {os.getpid()} on {platform.node()}"
