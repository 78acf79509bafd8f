"""The trial of two commands at a time: whatever is lost of what they wrote, it says so."""

import csv
import importlib
import json
from pathlib import Path

import pytest

from captioner.outputs.tables import parquet_bytes

SCRIPTS = Path(__file__).parents[2] / "scripts"
CAPTIONS = {"a.jpg": "a dog, running", "b.png": "a cat", "c.jpg": "a dog"}


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("concurrency_trial")


@pytest.fixture
def work(trial, tmp_path):
    (tmp_path / "out").mkdir()
    return trial.Work(tmp_path / "photos", tmp_path / "out", tmp_path / "originals", CAPTIONS)


def write_csv(path, records):
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["file_name", "text"])
        rows.writeheader()
        rows.writerows(records)


WRITERS = {
    "text": lambda path, records: path.write_text("".join(f"{r['file_name']}\t{r['text']}\n" for r in records)),
    "jsonl": lambda path, records: path.write_text("".join(json.dumps(record) + "\n" for record in records)),
    "csv": write_csv,
    "parquet": lambda path, records: path.write_bytes(parquet_bytes(records)),
}


@pytest.mark.parametrize("form", WRITERS)
def test_a_record_that_is_lost_doubled_or_another_photo_s_is_told(form, trial, work):
    records = [{"file_name": name, "text": text} for name, text in CAPTIONS.items()]
    changes = {
        "whole": (records, 0),
        "lost": (records[:2], 2),  # that one is missing, and which
        "doubled": ([*records, records[0]], 1),
        "another's": ([records[0] | {"text": "a cat"}, *records[1:]], 1),
    }
    for name, (changed, num_losses) in changes.items():
        WRITERS[form](work.out / "records", changed)
        assert len(list(trial.TRIALS[f"caption -f {form} -o"].losses(work))) == num_losses, name


@pytest.mark.parametrize("kind", ["txt", "caption"])
def test_a_sidecar_that_is_missing_or_another_photo_s_is_told(kind, trial, work):
    work.photos.mkdir()
    for name, text in CAPTIONS.items():
        (work.photos / name).with_suffix(f".{kind}").write_text(f"{text}\n")
    losses = trial.TRIALS[f"caption --sidecar {kind}"].losses
    assert list(losses(work)) == []
    (work.photos / f"a.{kind}").unlink()
    (work.photos / f"b.{kind}").write_text("a dog\n")
    first, second = losses(work)
    assert "FileNotFoundError" in first and second == "b.png: 'a dog', not 'a cat'"
