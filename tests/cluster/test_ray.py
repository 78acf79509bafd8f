"""Captions by a Ray cluster: the records of one machine, whoever dies on the way.

All that starts Ray is in this file, so that no two clusters start at the same time on one machine.
"""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dying_worker import DEADLY
from made_up_archives import PHOTOS, cache_of, prepare, write_drawings_one_broken, write_folder
from s3 import s3_server

from captioner import Captioner
from captioner.cli import main
from captioner.cluster.engine import run_on_ray
from captioner.cluster.places import Place
from captioner.datasets import Dataset
from captioner.errors import CaptionerError
from captioner.outputs.tables import read_records

REFUSED = "does not go with --engine ray, which writes shards of records"

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")


def run(*arguments):
    return CliRunner().invoke(main, ["caption", *map(str, arguments), "--engine", "ray"])


def start(*arguments):
    command = [sys.executable, "-m", "captioner", "caption", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_shards(output, count, process):
    until = time.monotonic() + 120
    while len(list(output.glob("part-*"))) < count:
        assert process.poll() is None and time.monotonic() < until, "no shard came"
        time.sleep(0.01)


def lines_of(*paths):
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def cluster(monkeypatch):
    """Three machines of one core each, the first of which cannot be spared."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # a machine that does not answer is given up sooner than between cities
    for name, value in {"health_check_period_ms": 500, "health_check_failure_threshold": 4}.items():
        monkeypatch.setenv(f"RAY_{name}", str(value))
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.others = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_machine_that_dies_in_the_middle_costs_no_record_and_doubles_none(cluster, tmp_path):
    folder, output = write_folder(tmp_path / "in", 60), tmp_path / "out"
    process = start(folder, "-r", "--engine", "ray", "--ray-address", cluster.address, "-o", output, "--shard-size", 3)
    wait_for_shards(output, 3, process)
    cluster.remove_node(cluster.others[0], allow_graceful=False)
    out, said = process.communicate(timeout=180)
    assert process.returncode == 1 and out == "" and "Traceback" not in said
    alone = start(folder, "-r", "-f", "jsonl", "-o", tmp_path / "alone.jsonl")
    _, said_alone = alone.communicate(timeout=120)
    assert lines_of(*sorted(output.glob("part-*"))) == lines_of(tmp_path / "alone.jsonl")
    assert said.startswith("captioned 60, skipped 0, failed 2 in ")
    failures = [sorted(line for line in each.splitlines() if line.startswith("failed:")) for each in (said, said_alone)]
    assert failures[0] == failures[1] and len(failures[0]) == 2
    # the same command again tries the broken ones, and nothing else
    again = run(folder, "-r", "-o", output, "--shard-size", 3, "--ray-address", cluster.address)
    assert (again.exit_code, again.stdout) == (1, "") and again.stderr.startswith("captioned 0, skipped 60, failed 2")
    assert lines_of(*sorted(output.glob("part-*"))) == lines_of(tmp_path / "alone.jsonl")


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_one_line_and_finished_shards_are_kept(cluster, tmp_path):
    folder, output = write_folder(tmp_path / "in", 60), tmp_path / "out"
    process = start(folder, "-r", "--engine", "ray", "--ray-address", cluster.address, "-o", output, "--shard-size", 3)
    wait_for_shards(output, 2, process)
    cluster.shutdown()
    out, said = process.communicate(timeout=180)
    kept = {path.name: path.read_bytes() for path in output.glob("part-*")}
    assert process.returncode == 1 and out == "" and "Traceback" not in said
    error = said.splitlines()[-1]
    assert error.startswith("Error: ") and said.count("Error") == 1
    # this machine's cores finish it
    assert run(folder, "-r", "-o", output, "--shard-size", 3).exit_code in (0, 1)
    assert {name: (output / name).read_bytes() for name in kept} == kept
    assert len(list(output.glob("part-*"))) == 21


@pytest.fixture
def own_workers(monkeypatch):
    """Ray's processes find the workers of these tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.slow
def test_a_shard_that_kills_every_worker_is_given_up_and_told_and_the_others_are_done(own_workers):
    done = []
    with pytest.raises(CaptionerError) as raised:
        for row in run_on_ray("dying_worker:DyingWorker", {}, range(8), 1, None):
            done.append(row["id"])
    assert sorted(done) == [number for number in range(8) if number != DEADLY]
    assert str(raised.value) == (
        "the cluster's workers died on 1 shard, however often they tried: 3; all others are done"
    )


@pytest.mark.slow
def test_the_cluster_of_a_command_that_is_killed_ends_with_it(own_workers, tmp_path):
    code = (
        "import sys; from captioner.cluster.engine import run_on_ray;"
        "list(run_on_ray('dying_worker:SleepingWorker', {'begun': sys.argv[1]}, [0], 1, None))"
    )
    begun, until = tmp_path / "begun", time.monotonic() + 120
    with subprocess.Popen([sys.executable, "-c", code, str(begun)], stderr=subprocess.DEVNULL) as process:
        while not begun.exists():
            assert time.monotonic() < until and process.poll() is None, "no shard was begun"
            time.sleep(0.01)
        (driver,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    while Path(f"/proc/{driver}").exists():
        assert time.monotonic() < until, "its driver goes on"
        time.sleep(0.05)


@pytest.mark.slow
def test_photos_and_shards_may_lie_in_an_object_store(tmp_path, monkeypatch):
    with s3_server("archive", monkeypatch) as bucket:
        names = ["a.jpg", "한 개.jpg", "deep/b.jpg"]
        for name, photo in zip(names, PHOTOS, strict=False):
            Place.of(f"{bucket}/in/{name}").write_whole(photo.read_bytes())
        result = run(f"{bucket}/in", "-r", "-f", "parquet", "-o", f"{bucket}/out", "--shard-size", 2)
        assert result.exit_code == 0 and result.stderr.startswith("captioned 3, skipped 0, failed 0 in ")
        parts = [Place.of(f"{bucket}/out/part-{number:06}.parquet").read() for number in range(2)]
    records = [record for part in parts for record in read_records(io.BytesIO(part))]
    assert [record["file_name"] for record in records] == ["a.jpg", "deep/b.jpg", "한 개.jpg"]
    captions = Captioner.load().caption([str(path) for path in (PHOTOS[0], PHOTOS[2], PHOTOS[1])])
    assert [record["text"] for record in records] == [caption.text for caption in captions]


@pytest.mark.slow
def test_a_dataset_is_encoded_to_train_on_as_by_one_machine(tmp_path):
    source = write_drawings_one_broken(tmp_path / "photos")
    alone = prepare(source, tmp_path / "alone")
    result = prepare(source, tmp_path / "out", "--engine", "ray")
    assert result.exit_code == alone.exit_code == 1 and result.stderr == alone.stderr
    (rows, index), (rows_alone, index_alone) = (cache_of(tmp_path / name) for name in ("out", "alone"))
    np.testing.assert_array_equal(rows, rows_alone)
    assert index == index_alone and len(Dataset.open(tmp_path / "out").examples) == 17


def test_a_wrong_address_is_one_line(tmp_path):
    folder = write_folder(tmp_path / "in", 1)
    for address, reason in (
        ("127.0.0.1:1", "Connection refused"),
        ("nosuch.invalid:6379", ""),
        ("127.0.0.1:99999", ""),
    ):
        result = run(folder, "-o", tmp_path / "out", "--ray-address", address)
        assert result.exit_code == 1 and result.stdout == ""
        assert result.stderr.startswith(f"Error: Ray at {address}: no cluster answers there ({reason}")
        assert result.stderr.count("\n") == 1


def test_a_bucket_that_refuses_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for arguments in (("s3://nosuch/in", "-o", tmp_path), (write_folder(tmp_path / "in", 1), "-o", "s3://nosuch/out")):
        result = run(*arguments)
        assert result.exit_code == 1 and result.stdout == ""
        assert result.stderr.startswith("Error: s3://nosuch/") and result.stderr.count("\n") == 1


def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("captioner.cluster.engine.find_spec", lambda name: None)
    result = run(write_folder(tmp_path / "in", 1), "-o", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (1, "Error: --engine ray needs Ray: pip install 'captioner[ray]'\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "--engine ray writes shards of records: give --output DIR, a folder or an address"),
        (["a", "-o", "b", "-f", "csv"], "--engine ray writes jsonl or parquet, not csv"),
        (["a", "-o", "b", "--shard-size", "0"], "--shard-size must be at least 1, not 0"),
        (
            ["a", "-o", "b", "--sidecar", "txt"],
            "--sidecar does not go with --engine ray, which writes shards of records",
        ),
        (["-", "-o", "b"], '"-" does not go with --engine ray, which writes shards of records'),
        (["a", "-o", "b", "--dry-run"], "--dry-run does not go with --engine ray"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


def test_an_address_needs_the_engine():
    for arguments in (["a.jpg", "-o", "s3://b/c"], ["a.jpg", "--ray-address", "x:1"]):
        result = CliRunner().invoke(main, ["caption", *arguments])
        assert result.exit_code == 2 and "--engine ray" in result.stderr
