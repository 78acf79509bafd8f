"""`captioner caption --engine ray` around the cluster: Ray's part is done by this process."""

import json
import shutil

import pytest
from click.testing import CliRunner
from made_up_archives import PHOTOS, write_folder

from captioner.cli import main
from captioner.cluster.driver import telling
from captioner.cluster.shards import Worker


@pytest.fixture
def num_done(monkeypatch):
    """How many shards each run had left to do."""
    nums = []

    def run(worker, job, ids, threads, address):
        nums.append(len(ids))
        made = Worker(json.loads(json.dumps(job)))
        for number in ids:
            row = made({"id": number})
            yield {"id": row["id"], **json.loads(row["said"])}

    monkeypatch.setattr("captioner.cluster.engine.run_on_ray", run)
    monkeypatch.setattr("captioner.cluster.engine.find_spec", lambda name: name)
    return nums


def run(*arguments):
    return CliRunner().invoke(main, ["caption", *map(str, arguments), "--engine", "ray"])


def test_errors_are_tried_again_until_there_are_none(tmp_path, num_done):
    folder, command = write_folder(tmp_path / "in", 4), ("-r", "-o", tmp_path / "out", "--shard-size", 2)
    for counts in ("captioned 4, skipped 0, failed 2 in ", "captioned 0, skipped 4, failed 2 in "):
        result = run(folder, *command)
        assert result.exit_code == 1 and result.stderr.startswith(counts)
        assert len([line for line in result.stderr.splitlines() if line.startswith("failed: ")]) == 2
    for broken in (folder / "0001b.jpg", folder / "deep" / "empty.png"):
        shutil.copy(PHOTOS[0], broken)
    result = run(folder, *command)
    assert result.exit_code == 0 and result.stderr.startswith("captioned 2, skipped 4, failed 0 in ")
    result = run(folder, *command)
    assert result.exit_code == 0 and result.stderr.startswith("captioned 0, skipped 6, failed 0 in ")
    assert num_done[0] == 3 and num_done[1] == num_done[2] and num_done[1] < 3 and num_done[3] == 0


def test_the_same_relative_path_elsewhere_is_not_the_same_photos(tmp_path, monkeypatch, num_done):
    for name in ("here", "there"):
        (tmp_path / name / "photos").mkdir(parents=True)
        shutil.copy(PHOTOS[0], tmp_path / name / "photos" / f"{name}.jpg")
    monkeypatch.chdir(tmp_path / "here")
    assert run("photos", "-o", tmp_path / "out").exit_code == 0
    monkeypatch.chdir(tmp_path / "there")
    result = run("photos", "-o", tmp_path / "out")
    assert result.exit_code == 1 and "were asked for with other working_folder;" in result.stderr
    absolute = tmp_path / "here" / "photos", "-o", tmp_path / "absolute"
    assert run(*absolute).exit_code == 0
    monkeypatch.chdir(tmp_path / "here")
    assert run(*absolute).stderr.startswith("captioned 0, skipped 1, failed 0 in ")


class Raising:
    def __init__(self, job):
        if "start" in job:
            raise ValueError("no such\nmodel")

    def __call__(self, row):
        raise OSError


@pytest.mark.parametrize(("job", "reason"), [({"start": 1}, "no such model"), ({}, "OSError")])
def test_what_a_worker_raises_is_told_in_one_line(job, reason):
    said = telling(Raising)(job)({"id": 4})
    assert said == {"id": 4, "said": json.dumps({"error": reason})}
