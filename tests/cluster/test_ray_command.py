"""`captioner caption --engine ray` around the cluster: Ray's part is done by this process."""

import json
import shutil

import pytest
from click.testing import CliRunner
from made_up_archives import PHOTOS

from captioner.cli import main
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
