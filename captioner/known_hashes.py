"""Hashes of files that have not changed since they were computed, so that a model is read once and not at every start.

As in git's index, a file has not changed while its size, its inode and both its times are what they were. A program
can set back the time of modification, but not that of the change of the inode, which replacing or writing the file
moves, too.
"""

import json
import os
import sys
import time
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.files import make_folder, sha256_of, write_text
from captioner.locks import claimed

_FILE = "hashes.json"
_MOST = 1000  # files that are known
_WAIT_SECONDS = 1.0  # for another process that remembers hashes; what is computed again does no harm
_SETTLED_NS = 2_000_000_000  # a file that changed so lately may change again within the same tick of its clock


def cache_dir() -> Path:
    """The user's folder for what can be made again."""
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"]) / "captioner"
    homes = {"win32": "AppData/Local", "darwin": "Library/Caches"}
    return Path(os.path.expanduser("~")) / homes.get(sys.platform, ".cache") / "captioner"


class KnownHashes:
    """The SHA-256 of files, remembered from run to run; where nothing can be remembered, all is computed."""

    def __init__(self, path: Path | None = None):
        self._path = cache_dir() / _FILE if path is None else path
        self._known = self._read()
        self._found: dict[str, list] = {}  # since then

    def _read(self) -> dict[str, list]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}

    def sha256_of(self, path: Path) -> str:
        """Raises: OSError when the file cannot be read."""
        status = path.stat()
        stamp = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        name = os.path.realpath(path)
        match self._known.get(name):
            case [str() as known, *known_stamp] if known_stamp == stamp:
                return known
        found = sha256_of(path)
        if time.time_ns() - max(stamp[2:]) > _SETTLED_NS:
            self._known[name] = self._found[name] = [found, *stamp]
        return found

    def save(self) -> None:
        """Remembers what was computed, beside what other processes have meanwhile, where there is a place for it."""
        if not self._found:
            return
        try:
            make_folder(self._path.parent)
            with claimed(self._path.with_name(f"{self._path.name}.lock"), str(self._path), _WAIT_SECONDS):
                others = {name: known for name, known in self._read().items() if name not in self._found}
                latest = list((others | self._found).items())[-_MOST:]  # the last known stand last
                write_text(self._path, json.dumps(dict(latest)))
        except (CaptionerError, ValueError):  # a home that is read-only or missing: computed again, then
            return
        self._found = {}
