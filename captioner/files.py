"""Files written whole or not at all."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path

from captioner.errors import CaptionerError


@contextmanager
def written_whole(path: Path):
    """A temporary path beside `path`, moved onto it when the block ends well, removed when it does not."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, values) -> None:
    write_text(path, json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> Path:
    """Raises: CaptionerError when the folder is not there and cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be made ({error.strerror or error})") from error
    return path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
