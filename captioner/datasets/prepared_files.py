"""The files of a prepared dataset, and whether a folder may become one."""

import json
import os
from pathlib import Path

from captioner.datasets.report import REPORT_FILE, is_report
from captioner.errors import CaptionerError, OptionsError

DATASET_FORMAT = 1
INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE = "dataset.json", "captions.jsonl", "vocabulary.txt"
FILES = (INFO_FILE, CAPTIONS_FILE, VOCABULARY_FILE, REPORT_FILE)
FEATURES = "features"


def check_output(source: Path, output_dir: Path, only_report: bool = False) -> None:
    """Whether a dataset may be written there: none of its files is, or an earlier run made them of the same source.

    Raises: OptionsError when the folder is the source; CaptionerError when it holds something else under their names.
    """
    if os.path.realpath(source) == os.path.realpath(output_dir):
        raise OptionsError(f"{output_dir}: is the source; name another folder for what is prepared from it")
    info = _read_json(output_dir / INFO_FILE)
    if info.get("format") == DATASET_FORMAT and "source_format" in info:
        if info.get("source") != str(source.resolve()):
            raise CaptionerError(
                f"{output_dir}: holds a dataset prepared from {info.get('source')}; give another folder"
            )
        return
    if _has_features(output_dir):  # of a run that was killed
        return
    for name in (REPORT_FILE,) if only_report else FILES:
        path = output_dir / name
        if os.path.lexists(path) and not (name == REPORT_FILE and is_report(_read_json(path))):
            raise CaptionerError(f"{path} would be overwritten; give another folder")


def _has_features(output_dir: Path) -> bool:
    try:
        return any(name.endswith(".index.jsonl") for name in os.listdir(output_dir / FEATURES))
    except OSError:
        return False


def _read_json(path: Path) -> dict:
    """Empty where there is no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
