"""A file rewritten beside itself and moved into its place, as the same file to all who look at it."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.files import written_whole
from captioner.outputs.metadata.blocks import FileBytes, Splice, write_spliced


def rewrite(path: Path, status: os.stat_result, splices: Iterable[Splice], keeps_times: bool = True) -> None:
    """Makes the splices in the file; permissions, owner, extended attributes and (`keeps_times`) times stay.

    status: of the file when the splices were thought of; its times are kept, as reading it has moved one of them.
    Raises: CaptionerError when the file cannot be written, or was changed since. It is the old one then.
    """
    # inside, the old file is open for writing, too: a read-only one is refused, though it could be replaced
    with written_whole(path) as temporary:
        with open(path, "r+b") as source, open(temporary, "xb", opener=_open_privately) as target:
            data = FileBytes(source)
            if (data.status.st_mtime_ns, len(data)) != (status.st_mtime_ns, status.st_size):
                raise CaptionerError(f"{path}: was changed by another program meanwhile; left alone")
            write_spliced(data, splices, target)
            target.flush()
            os.fsync(target.fileno())
        now = temporary.stat()
        _keep_owner(temporary, status)
        shutil.copystat(path, temporary)
        if keeps_times:
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        else:
            os.utime(temporary, ns=(now.st_atime_ns, now.st_mtime_ns))


def _open_privately(path: str, flags: int) -> int:
    """Nobody else may look into the copy of a private file before it has the file's permissions."""
    return os.open(path, flags, 0o600)


def _keep_owner(path: Path, status: os.stat_result) -> None:
    """The owner where we may, or else the group where we may; before the permissions, which a new owner resets."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(path, -1, status.st_gid)
        with suppress(OSError):
            os.chown(path, status.st_uid, -1)
