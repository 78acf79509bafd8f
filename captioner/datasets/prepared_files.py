"""The files of a prepared dataset, and whether a folder may become one."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from captioner.datasets.report import REPORT_FILE, is_report
from captioner.errors import CaptionerError, OptionsError

DATASET_FORMAT = 2
INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE = "dataset.json", "captions.jsonl", "vocabulary.txt"
FILES = (INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE, REPORT_FILE)
FEATURES = "features"
LOCK_FILE = ".lock"  # held by the process that prepares


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
        return []


def is_current(folder: Path) -> bool:
    """Whether the folder holds a prepared dataset of the version that this captioner reads."""
    return _read_json(folder / INFO_FILE).get("format") == DATASET_FORMAT


def is_prepared(folder: Path) -> bool:
    """Whether the folder holds a prepared dataset, of whatever version."""
    return bool(sources_of(_read_json(folder / INFO_FILE)))


def _read_json(path: Path) -> dict:
    """Empty where there is no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
