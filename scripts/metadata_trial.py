"""Any folder of image files, copied, captioned with `--write-metadata both`, and compared before and after.

    python scripts/metadata_trial.py FOLDER [--model flickr8k] [--json FILE]

Prints what changed, in how many files. Nothing of the user's may be lost: no tag that exiftool knows, no pixel, no byte
behind the picture, no mode, no time. Exits with 1 where something was, or where a traceback appeared. The folder itself
is only read; links in it are left out, as they may lead elsewhere.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image, ImageSequence

_FILES_AT_ONCE = 40  # that exiftool reads in a run: their previews and thumbnails are all in memory
_MAX_FRAMES = 20
_MAX_PIXELS = 100_000_000
_ORIENTATION = 0x0112
_LONG = 200  # characters of a value; of a longer one its hash is kept
_NOT_OF_THE_PHOTO = ("SourceFile", "System:", "Composite:", "ExifTool:ExifToolVersion")
# what may become another one: places, which exiftool counts from the file's start, and what only describes the file
_MOVES = re.compile(r".*(Offsets?|Start|MPImageLength)$|File:FileType$|RIFF:WebP_Flags$|File:ExifByteOrder$")
_TROUBLE = ("ExifTool:Warning", "ExifTool:Error")

Tags = dict[str, list[str]]


@dataclass(frozen=True)
class Seen:
    """A file as others see it. body: what of its bytes must stay, hashed. frames: its pixels, hashed, if it has any."""

    tags: Tags
    frames: str | None
    body: str
    mode: int
    modified: int


def look(folder: Path) -> dict[str, Seen]:
    """Every file below the folder, by its path there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {}
    for start in range(0, len(paths), _FILES_AT_ONCE):
        some = paths[start : start + _FILES_AT_ONCE]
        for path, tags in zip(some, _read_tags(some), strict=True):
            status = path.stat()
            body = _hashed(body_of(path.read_bytes()))
            name = path.relative_to(folder).as_posix()
            found[name] = Seen(tags, _frames(path), body, status.st_mode, status.st_mtime_ns)
    return found


def _hashed(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _read_tags(paths: list[Path]) -> list[Tags]:
    """All that exiftool can say of each file, binary values with it."""
    options = ["exiftool", "-j", "-b", "-a", "-u", "-struct", "-G1:4", "-charset", "filename=utf8", "-@", "-"]
    listed = "\n".join(str(path) for path in paths)
    done = subprocess.run(options, input=listed.encode(errors="surrogateescape"), capture_output=True, check=False)
    rows = {row["SourceFile"]: row for row in json.loads(done.stdout.decode(errors="surrogateescape") or "[]")}
    return [_by_tag(rows.get(str(path), {})) for path in paths]


def _by_tag(row: dict) -> Tags:
    """Without what is said of the file in its folder, and without exiftool's numbers of tags of equal names."""
    tags: Tags = {}
    for name, value in row.items():
        if not name.startswith(_NOT_OF_THE_PHOTO):
            text = json.dumps(value, ensure_ascii=False)
            if name.startswith(_TROUBLE):
                text = re.sub(r"\d+", "N", text)  # which entry, and where: ours may stand before it
            kept = text if len(text) <= _LONG else _hashed(text.encode(errors="surrogateescape"))
            tags.setdefault(re.sub(r"Copy\d+:", "", name), []).append(kept)
    return tags


def _frames(path: Path) -> str | None:
    """What Pillow shows, hashed: pixels, orientation and colour profile; None for what it cannot decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                return _shown(image)
        except Exception:  # decoders of broken files raise anything
            return None


def _shown(image: Image.Image) -> str:
    if image.width * image.height > _MAX_PIXELS:
        return f"{image.size}"
    parts = []
    for frame in islice(ImageSequence.Iterator(image), _MAX_FRAMES):
        parts += [f"{frame.mode} {frame.size}".encode(), frame.tobytes()]
    orientation = str(image.getexif().get(_ORIENTATION)).encode()
    return _hashed(*parts, orientation, image.info.get("icc_profile") or b"")


def body_of(data: bytes) -> bytes:
    """What must stay byte by byte: all of a file of another format, and what no metadata are of the four we write."""
    for signature, cut in _BODIES.items():
        if re.match(signature, data, re.DOTALL):
            return cut(data)
    return data


def _from_first_scan(data: bytes) -> bytes:
    """Of a JPEG: the picture, and all that follows it. The whole of one that is broken."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:
            return data[at:]
        is_alone = data[at + 1] in (0x01, 0xFF, *range(0xD0, 0xD8))
        at += 1 if data[at + 1] == 0xFF else 2 if is_alone else 2 + int.from_bytes(data[at + 2 : at + 4])
    return data


def _behind_chunks(data: bytes) -> bytes:
    """Of a PNG: what follows its last chunk, and the chunks that are no text."""
    at, parts = 8, []
    while at + 12 <= len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] not in (b"iTXt", b"eXIf"):
            parts.append(data[at:stop])
        at = stop
    return b"".join([*parts, data[at:]])


def _behind_riff(data: bytes) -> bytes:
    """Of a WebP: what follows the RIFF, and the chunks that hold no metadata."""
    end = 8 + int.from_bytes(data[4:8], "little")
    at, parts = 12, []
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] not in (b"VP8X", b"EXIF", b"XMP "):
            parts.append(data[at : at + 8 + size])
        at += 8 + size + size % 2
    return b"".join([*parts, data[end:]])


_BODIES: dict[bytes, Callable[[bytes], bytes]] = {
    rb"\xff\xd8\xff": _from_first_scan,
    rb"\x89PNG\r\n\x1a\n": _behind_chunks,
    rb"RIFF.{4}WEBP": _behind_riff,
    rb"II\*\0|MM\0\*|II\+\0|MM\0\+": lambda data: data[:4],  # it grows at its end; tags and pixels are compared
}


def changes(before: Seen, after: Seen) -> Iterator[tuple[str, str]]:
    """`(what became of it, what)` of all that is another than before: LOST, moved or new."""
    for name in ("frames", "body", "mode", "modified"):
        if getattr(before, name) != getattr(after, name):
            yield "LOST", {"frames": "pixels", "body": "bytes", "modified": "time"}.get(name, name)
    for name, values in before.tags.items():
        gone = Counter(values) - Counter(after.tags.get(name, []))
        if gone and any(value.strip(' "') for value in gone):
            yield ("moved" if _MOVES.match(name) else "LOST"), name
    for name, values in after.tags.items():
        if Counter(values) - Counter(before.tags.get(name, [])) and not _MOVES.match(name):
            yield ("LOST" if name.startswith(_TROUBLE) else "new"), name


def caption(folder: Path, model: str) -> tuple[int, str]:
    """Exit code and stderr of the installed command."""
    command = [sys.executable, "-m", "captioner", "caption", str(folder), "-r", "--write-metadata", "both", "-m", model]
    done = subprocess.run([*command, "--progress", "off"], capture_output=True, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def copy_folder(source: Path, target: Path) -> None:
    """Files and folders with their times and modes, without links and what is no file."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        paths = {name: Path(folder, name) for name in names}
        return [name for name, path in paths.items() if path.is_symlink() or not (path.is_file() or path.is_dir())]

    shutil.copytree(source, target, ignore=left_out)


def trial(source: Path, work: Path, model: str) -> dict:
    """What was found: files by each change, what the command said, and whether nothing was lost."""
    copy = work / "photos"
    copy_folder(source, copy)
    before = look(copy)
    exit_code, said = caption(copy, model)
    after = look(copy)
    found: dict[tuple[str, str], list[str]] = {}
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            found.setdefault(("LOST", "file") if name in before else ("LOST", "a file that was not there"), []).append(
                name
            )
            continue
        for change in changes(before[name], after[name]):
            found.setdefault(change, []).append(name)
    failures = Counter(
        line.removeprefix("failed: ").rpartition(": ")[2] for line in said.splitlines() if line.startswith("failed: ")
    )
    checks = {
        "nothing was lost": not any(became == "LOST" for became, _ in found),
        "no traceback": "Traceback (most recent call last)" not in said,
        "the command ended well": exit_code in (0, 1),
    }
    return {
        "files": len(before),
        "changed": len({name for names in found.values() for name in names}),
        "exit_code": exit_code,
        "failures": dict(failures.most_common()),
        "said": [line for line in said.splitlines() if not line.startswith("failed: ")],
        "changes": {f"{became} {what}": names for (became, what), names in sorted(found.items())},
        "checks": checks,
    }


def table(found: dict) -> str:
    """What changed, in how many files, and the first of them."""
    rows = [("what changed", "files", "such as")]
    rows += [(what, f"{len(names):,}", names[0]) for what, names in found["changes"].items()]
    rows += [(f"failed: {reason}", f"{number:,}", "") for reason, number in found["failures"].items()]
    wide = min(72, max(len(what) for what, _, _ in rows))
    lines = [f"{what:{wide}}  {number:>6}  {name}".rstrip() for what, number, name in rows]
    lines += ["", *found["said"], f"{found['files']:,} files, {found['changed']:,} of them changed"]
    lines += [f"{'yes' if is_true else 'NO':3} {what}" for what, is_true in found["checks"].items()]
    return "\n".join(lines).encode(errors="backslashreplace").decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="flickr8k")
    parser.add_argument("--json", type=Path, dest="json_path")
    arguments = parser.parse_args()
    if not shutil.which("exiftool"):
        parser.error("exiftool is not installed")
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder}: no such folder")
    with tempfile.TemporaryDirectory() as work:
        found = trial(arguments.folder, Path(work), arguments.model)
    if arguments.json_path is not None:
        arguments.json_path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    sys.exit(0 if all(found["checks"].values()) else 1)


if __name__ == "__main__":
    main()
