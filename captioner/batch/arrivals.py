"""Photos that appear in folders, each when it has stopped growing."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from captioner.photos import MissingInput, Photo, describe_skipped, find_photos

_State = tuple[int, int, int]  # inode, size, time of its last change


class Arrivals:
    """What appears in folders, and in their subfolders.

    A file is taken as whole when it is the same at two looks. One that has changed since it was taken comes again; an
    empty one is waited for.
    """

    def __init__(
        self,
        folders: Sequence[str],
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        ignored: Collection[str] = (),
        say: Callable[[str], None] = lambda line: None,
    ):
        """ignored: absolute paths, and suffixes such as ".txt", of what is written there meanwhile.

        say: told when a folder goes, when it is back, and which subfolders are not entered.
        """
        self._folders, self._include, self._exclude = list(folders), include, exclude
        self._ignored, self._say = frozenset(ignored), say
        self._gone: set[str] = set()
        self._unlisted: set[str] = set()
        self._skipped: set[Path] = set()
        self._growing: dict[str, _State] = {}
        self._taken: dict[str, _State] = {}

    def look(self) -> list[Photo | MissingInput]:
        """What has arrived since the last look; a subfolder that cannot be listed comes once, as a MissingInput."""
        arrived, growing, skipped = [], {}, []
        for folder in self._folders:
            if not self._is_there(folder):
                continue
            for item in find_photos([folder], True, self._include, self._exclude, skipped.append):
                if isinstance(item, MissingInput):
                    if item.file_name not in self._unlisted and os.path.lexists(item.file_name):
                        self._unlisted.add(item.file_name)
                        arrived.append(item)
                    continue
                state = _state(item.source)
                if state is None or self._is_ignored(item.source) or self._taken.get(item.source) == state:
                    continue
                if state == self._growing.get(item.source) and state[1] > 0:
                    self._taken[item.source] = state
                    arrived.append(replace(item, file_name=item.source) if len(self._folders) > 1 else item)
                else:
                    growing[item.source] = state
        self._growing = growing
        if new := [folder for folder in skipped if folder not in self._skipped]:
            self._skipped.update(new)
            self._say(describe_skipped(new))
        return arrived

    def done_with(self, photo: Photo) -> None:
        """What was written into the photo meanwhile does not make it a new one."""
        state = _state(photo.source)
        if state is not None:
            self._taken[photo.source] = state

    def _is_there(self, folder: str) -> bool:
        is_there = os.path.isdir(folder)
        if is_there and folder in self._gone:
            self._gone.discard(folder)
            self._say(f"{folder} is back")
        elif not is_there and folder not in self._gone:
            self._gone.add(folder)
            self._say(f"{folder} is gone; waiting for it to come back")
        return is_there

    def _is_ignored(self, path: str) -> bool:
        return os.path.splitext(path)[1] in self._ignored or os.path.abspath(path) in self._ignored


def _state(path: str) -> _State | None:
    try:
        status = os.stat(path)
    except OSError:  # gone again, or a link that leads nowhere
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
