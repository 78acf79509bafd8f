"""A file rewritten beside itself and moved into its place, as the same file to all who look at it."""

import os
from collections.abc import Iterable
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
        with open(path, "r+b") as source, open(temporary, "wb") as target:
            data = FileBytes(source)
            if (data.status.st_mtime_ns, len(data)) != (status.st_mtime_ns, status.st_size):
                raise CaptionerError(f"{path}: was changed by another program meanwhile; left alone")
            write_spliced(data, splices, target)
            target.flush()
            os.fsync(target.fileno())
        if keeps_times:
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
