"""A cluster encodes what one machine would have, row by row."""

import json

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
    shards = list((tmp_path / "out" / "features").glob("*.shards/*.npy"))
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


def test_a_shard_that_is_there_is_not_encoded_again(source, tmp_path, in_process, monkeypatch):
    in_process["shards"] = 1
    prepare(source, tmp_path / "out", "--engine", "ray")
    (part,) = (tmp_path / "out" / "features").glob("*.shards/*.npy")
    monkeypatch.setattr(features, "look_at", None)  # would be an error
    job = {"graph": str(GRAPH_PATH), "key": "k", "folder": str(part.parent)}
    assert FeatureWorker(job)({"id": int(part.stem)}) == {"id": int(part.stem), "said": "{}"}


def test_an_address_needs_the_engine(tmp_path):
    result = prepare(tmp_path, tmp_path / "out", "--ray-address", "x:1")
    assert (result.exit_code, result.stderr) == (2, "Error: --ray-address goes with --engine ray\n")


def test_it_is_an_encoding_like_any_other(tmp_path):
    encoding = RayEncoding(GRAPH_PATH, tmp_path / "shards", None)
    assert callable(encoding) and not (tmp_path / "shards").exists()
