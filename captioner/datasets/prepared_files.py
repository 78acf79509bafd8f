"""The files of a prepared dataset, and whether a folder may become one."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from captioner.datasets.examples import Example, leads_outside
from captioner.datasets.report import REPORT_FILE, is_report
from captioner.errors import CaptionerError, DatasetError, OptionsError
from captioner.files import check_regular, read_json
from captioner.options import SPLITS

DATASET_FORMAT = 2
INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE = "dataset.json", "captions.jsonl", "vocabulary.txt"
FILES = (INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE, REPORT_FILE)
FEATURES = "features"
LOCK_FILE = ".lock"  # held by the process that prepares
_MAX_INFO_BYTES = 1 << 28  # with the problems of some million photos
_MAX_CAPTIONS_BYTES = 1 << 33
_SECTIONS = ("sources", "encoder", "options", "tokenizer", "counts")


def check_output(sources: Sequence[Path], output_dir: Path, only_report: bool = False) -> None:
    """Whether a dataset may be written there: none of its files is, or an earlier run made them of the same sources.

    Raises: OptionsError when the folder is a source; CaptionerError when it holds something else under their names.
    """
    for source in sources:
        if os.path.realpath(source) == os.path.realpath(output_dir):
            raise OptionsError(f"{output_dir}: is the source; name another folder for what is prepared from it")
    prepared_from = sources_of(_read_json(output_dir / INFO_FILE))
    if prepared_from:
        if prepared_from != [str(source.resolve()) for source in sources]:
            raise CaptionerError(
                f"{output_dir}: holds a dataset prepared from {' and '.join(prepared_from)}; give another folder"
            )
        return
    if _is_of_a_killed_run(output_dir):
        return
    for name in (REPORT_FILE,) if only_report else FILES:
        path = output_dir / name
        if os.path.lexists(path) and not (name == REPORT_FILE and is_report(_read_json(path))):
            raise CaptionerError(f"{path} would be overwritten; give another folder")


def _is_of_a_killed_run(folder: Path) -> bool:
    """Whether a first run has begun there and never ended: `dataset.json` takes its place last."""
    has_begun = os.path.exists(folder / LOCK_FILE) and os.path.isdir(folder / FEATURES)
    return has_begun and not os.path.lexists(folder / INFO_FILE)


def sources_of(info: dict) -> list[str]:
    """What a dataset was prepared from, of this format or the first; empty where that is no `dataset.json`."""
    try:
        if info.get("format") == 1:
            return [info["source"]] if "source_format" in info else []
        return [source["source"] for source in info["sources"].values()] if info.get("format") == DATASET_FORMAT else []
    except (KeyError, TypeError, AttributeError):
        return []  # sources that are no objects, or have no source


def is_current(folder: Path) -> bool:
    """Whether the folder holds a prepared dataset of the version that this captioner reads."""
    return _read_json(folder / INFO_FILE).get("format") == DATASET_FORMAT


def is_prepared(folder: Path) -> bool:
    """Whether the folder holds a prepared dataset, of whatever version."""
    return bool(sources_of(_read_json(folder / INFO_FILE)))


def read_info(folder: Path) -> dict:
    """What `dataset.json` says. Raises: DatasetError when it is missing, or not one of this version."""
    try:
        info = read_json(folder / INFO_FILE, _MAX_INFO_BYTES)
    except FileNotFoundError as error:
        raise _lacks(folder, INFO_FILE) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: not a prepared dataset ({error})") from error
    if not isinstance(info, dict) or info.get("format") != DATASET_FORMAT or isinstance(info["format"], bool):
        raise DatasetError(f"{folder}: not of a version that this captioner reads; run `captioner prepare` again")
    for name in _SECTIONS:
        if not isinstance(info.get(name, {}), dict):
            raise DatasetError(f"{folder / INFO_FILE}: {name} is no JSON object; run `captioner prepare` again")
    return info


def read_examples(folder: Path) -> tuple[Example, ...]:
    """What `captions.jsonl` holds. Raises: DatasetError naming the first line that is none."""
    path = folder / CAPTIONS_FILE
    try:
        check_regular(path, _MAX_CAPTIONS_BYTES)
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError as error:
        raise _lacks(folder, CAPTIONS_FILE) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: not a prepared dataset ({error})") from error
    examples = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        try:
            examples.append(_example_of(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(f"{path}, line {number}: not a line of a dataset") from error
    return tuple(examples)


def _example_of(entry: dict) -> Example:
    """Raises: KeyError, TypeError, ValueError when it is none."""
    image, captions, split, source = entry["image"], entry["captions"], entry["split"], entry.get("source", "")
    texts = [image, source, *captions] if isinstance(captions, list) else [None]
    if not all(isinstance(text, str) for text in texts) or split not in SPLITS or leads_outside(image):
        raise ValueError(entry)
    return Example(image, tuple(captions), split, source)


def _lacks(folder: Path, name: str) -> DatasetError:
    return DatasetError(f"{folder}: no {name} in it; make one with `captioner prepare`")


def _read_json(path: Path) -> dict:
    """Empty where there is no JSON object."""
    try:
        content = read_json(path, _MAX_INFO_BYTES)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
