"""A cluster encodes what one machine would have, row by row."""

import json
import shutil

import numpy as np
import pytest
from made_up_archives import cache_of, prepare, write_drawings_one_broken

from captioner.cluster import features
from captioner.cluster.features import FeatureWorker, RayEncoding
from captioner.encoders import shipped_graph

GRAPH_PATH, _ = shipped_graph("efficientnet-lite2-320", "int8")


@pytest.fixture
def source(tmp_path):
    return write_drawings_one_broken(tmp_path / "photos")


@pytest.fixture
def alone(source, tmp_path):
    result = prepare(source, tmp_path / "alone")
    assert result.exit_code == 1  # of the broken photo
    return result, cache_of(tmp_path / "alone")


@pytest.fixture
def in_process(monkeypatch):
    """Ray's part done by this process, the last shard first; how many shards it does before it dies is to be set."""
    limits = {"shards": None}

    def run(worker, job, ids, threads, address):
        assert (worker, threads) == ("captioner.cluster.features:FeatureWorker", 1)
        made = FeatureWorker(json.loads(json.dumps(job)))
        for number in list(reversed(ids))[: limits["shards"]]:
            yield made({"id": number})
        if limits["shards"] is not None:
            raise RuntimeError("the cluster went away")

    monkeypatch.setattr(features, "run_on_ray", run)
    monkeypatch.setattr(features, "_VIEWS_A_SHARD", 4)
    return limits


def test_rows_index_and_problems_are_those_of_one_machine(source, alone, tmp_path, in_process):
    result = prepare(source, tmp_path / "out", "--engine", "ray")
    assert (result.exit_code, result.stdout) == (1, alone[0].stdout)
    assert result.stderr == alone[0].stderr
    rows, index = cache_of(tmp_path / "out")
    np.testing.assert_array_equal(rows, alone[1][0])
    assert index == alone[1][1]
    out, one_machine = ({path.name for path in (tmp_path / name).rglob("*")} for name in ("out", "alone"))
    assert out == one_machine


def test_shards_of_a_run_that_was_broken_off_are_taken_up(source, alone, tmp_path, in_process):
    in_process["shards"] = 2
    assert isinstance(prepare(source, tmp_path / "out", "--engine", "ray").exception, RuntimeError)
    shards = list((tmp_path / "out" / "features").glob("*.shards/*.npz"))
    assert len(shards) == 2
    in_process["shards"] = None
    encoded = []
    look_at = features.look_at
    features.look_at = lambda photo, size: encoded.append(photo) or look_at(photo, size)
    try:
        assert prepare(source, tmp_path / "out", "--engine", "ray").exit_code == 1
    finally:
        features.look_at = look_at
    assert len(encoded) == 18 - 6  # the last two shards held six photos
    rows, index = cache_of(tmp_path / "out")
    row_of = {json.loads(line)["image"]: row for row, line in enumerate(index.splitlines())}
    for row, line in enumerate(alone[1][1].splitlines()):
        np.testing.assert_array_equal(rows[row_of[json.loads(line)["image"]]], alone[1][0][row])


def broken_off_shards(source, output_dir, in_process, num_shards):
    """The files of shards that a run has made when it is broken off."""
    in_process["shards"] = num_shards
    assert isinstance(prepare(source, output_dir, "--engine", "ray").exception, RuntimeError)
    in_process["shards"] = None
    return sorted((output_dir / "features").glob("*.shards/*.npz"))


def test_a_shard_that_is_there_is_not_encoded_again(source, tmp_path, in_process, monkeypatch):
    (part,) = broken_off_shards(source, tmp_path / "out", in_process, 1)
    monkeypatch.setattr(features, "look_at", None)  # would be an error
    run, _, number = part.stem.partition("-")
    job = {"graph": str(GRAPH_PATH), "key": "k", "folder": str(part.parent), "run": run}
    assert FeatureWorker(job)({"id": int(number)}) == {"id": int(number), "said": "{}"}


def swapped(content):
    """With a byte in the middle that is another one."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:-1], lambda content: content[: len(content) // 2], swapped],
    ids=["empty", "a byte less", "half", "another byte"],
)
def test_a_shard_that_is_not_whole_counts_for_nothing(source, alone, tmp_path, in_process, damage):
    for part in broken_off_shards(source, tmp_path / "out", in_process, 2):
        part.write_bytes(damage(part.read_bytes()))
    assert prepare(source, tmp_path / "out", "--engine", "ray").exit_code == 1
    rows, index = cache_of(tmp_path / "out")
    np.testing.assert_array_equal(rows, alone[1][0])
    assert index == alone[1][1]


def test_a_worker_that_outlives_its_run_gives_the_next_none_of_its_rows(source, alone, tmp_path, in_process):
    (part,) = broken_off_shards(source, tmp_path / "out", in_process, 1)
    run_on_ray, stale = features.run_on_ray, part.read_bytes()

    def with_a_late_worker(worker, job, ids, threads, address):
        for number in ids:
            (part.parent / f"{part.stem.partition('-')[0]}-{number:06}.npz").write_bytes(stale)
        yield from run_on_ray(worker, job, ids, threads, address)

    features.run_on_ray = with_a_late_worker
    try:
        assert prepare(source, tmp_path / "out", "--engine", "ray").exit_code == 1
    finally:
        features.run_on_ray = run_on_ray
    shutil.rmtree(part.parent)  # what the late worker wrote waits for the next run, which removes it
    rows, index = cache_of(tmp_path / "out")
    row_of = {json.loads(line)["image"]: row for row, line in enumerate(index.splitlines())}
    for row, line in enumerate(alone[1][1].splitlines()):
        np.testing.assert_array_equal(rows[row_of[json.loads(line)["image"]]], alone[1][0][row])


def test_a_shard_that_a_worker_did_not_write_whole_is_told_in_one_line(source, tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(features, "write_shard", lambda path, photos, encoded: path.write_bytes(b""))
    result = prepare(source, tmp_path / "out", "--engine", "ray")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("not the whole shard that a worker wrote; run the command again")


def test_only_files_of_shards_are_removed_from_their_folder(source, tmp_path, in_process):
    (part,) = broken_off_shards(source, tmp_path / "out", in_process, 1)
    for name in ("notes.npz", "mine.json", "000001.npy", ".000002.json.0123-4.part"):
        (part.parent / name).write_bytes(b"x")
    assert prepare(source, tmp_path / "out", "--engine", "ray").exit_code == 1
    assert sorted(path.name for path in part.parent.iterdir()) == ["mine.json", "notes.npz"]


def test_an_address_needs_the_engine(tmp_path):
    result = prepare(tmp_path, tmp_path / "out", "--ray-address", "x:1")
    assert (result.exit_code, result.stderr) == (2, "Error: --ray-address goes with --engine ray\n")


def test_it_is_an_encoding_like_any_other(tmp_path):
    encoding = RayEncoding(GRAPH_PATH, tmp_path / "shards", None)
    assert callable(encoding) and not (tmp_path / "shards").exists()
