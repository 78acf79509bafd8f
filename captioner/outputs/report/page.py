"""The page: template, style and script of this folder, filled with JSON and pictures."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from captioner.files import written_whole

_SCRIPTS = ("summary.js", "photo.js", "list.js")


def write_page(path: Path, content: dict, pictures: Iterable[tuple[bytes, bytes]]) -> None:
    """Writes the report, a picture at a time.

    content: of `report_content`. pictures: of each of its photos a JPEG and its attention, as of `pictures_of`.
    Raises: CaptionerError when it cannot be written.
    """
    style, script = _part("report.css"), "\n".join(map(_part, _SCRIPTS))
    # the browser holds the page to it: nothing is loaded, and no script runs but ours
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    places: dict[str, Callable[[], Iterable[str]]] = {
        "policy": lambda: [policy],
        "style": lambda: [style],
        "script": lambda: [script],
        "content": lambda: [_script_json(content)],
        "pictures": lambda: _picture_blocks(pictures),
    }
    pieces = re.split(r"\{\{(\w+)\}\}", _part("report.html"))
    with (
        written_whole(path) as temporary,
        # a name that is no valid text holds lone surrogates, which this spells out as JSON does
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        for number, piece in enumerate(pieces):
            file.writelines(places[piece]() if number % 2 else [piece])


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names what it allows."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}'"


def _script_json(content: dict) -> str:
    """JSON that no text in it can break out of: neither `</script>` nor `<!--` is left."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _picture_blocks(pictures: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """A block a photo, which costs the browser nothing before its photo is seen: JPEG and attention, in base64."""
    for number, picture in enumerate(pictures):
        jpeg, attention = (b64encode(part).decode("ascii") for part in picture)
        yield f'<script type="text/plain" id="picture-{number}">{jpeg} {attention}</script>\n'
