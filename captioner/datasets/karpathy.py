"""Karpathy's JSON of Flickr8k, Flickr30k and COCO, with his splits (Karpathy and Fei-Fei 2015)."""

from collections.abc import Iterator
from pathlib import Path

from captioner.datasets.columns import Columns
from captioner.datasets.examples import Problem
from captioner.datasets.json_entries import json_entries
from captioner.datasets.records import FileFormat, Record
from captioner.errors import DatasetError

_EXPECTED = "expected images, each with filename, split and sentences"


def check(path: Path, columns: Columns) -> None:
    """Raises: DatasetError when it is no such file."""
    entry = next(json_entries(path, ("images",)), None)
    if entry is None or not isinstance(entry.value, dict) or "sentences" not in entry.value:
        raise DatasetError(f"{path}{', ' + entry.place if entry else ''}: {_EXPECTED}")


def records(path: Path, columns: Columns, problems: list[Problem]) -> Iterator[Record]:
    is_empty = True
    for place, _, image in json_entries(path, ("images",)):
        is_empty = False
        try:
            captions = [_text_of(sentence) for sentence in image["sentences"]]
            name = image["filename"]
            if image.get("filepath") and isinstance(name, str):  # of COCO, whose photos are in two folders
                name = f"{image['filepath']}/{name}"
        except (KeyError, TypeError):
            detail = "no filename, or no sentences with raw text or tokens"
            problems.append(Problem("broken line", f"{path}, {place}", detail))
            continue
        yield Record(place, name, captions, image.get("split"))
    if is_empty:
        raise DatasetError(f"{path}: {_EXPECTED}")


def _text_of(sentence: dict) -> object:
    """Raises: KeyError, TypeError when it has neither text nor tokens."""
    return sentence["raw"] if "raw" in sentence else " ".join(sentence["tokens"])


FILE = FileFormat(("dataset_*.json",), ("*.json",), check, records)
