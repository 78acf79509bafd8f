"""A shard holds what one machine would have written."""

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner
from made_up_archives import PHOTOS, write_folder, write_tar
from s3 import s3_server

from captioner.cli import main
from captioner.cluster.places import Place
from captioner.cluster.plan import failed_shards, part_name, planned
from captioner.cluster.shards import FORMS, Job, Worker
from captioner.cluster.sources import find_items
from captioner.options import DecodingOptions, ShapeOptions
from captioner.outputs.tables import read_records


def job_for(output, **changes):
    options = {"form": "jsonl", "model": "flickr8k", "decoding": DecodingOptions(), "shape": ShapeOptions()}
    return Job(**{"output": str(output), "batch_size": 4, "threads": 1, "folder": "/", "run": "1"} | options | changes)


def run(output, names, shard_size=5, **changes):
    """`(what the worker said of each shard, all records)`."""
    job = job_for(output, **changes)
    plan = planned(job.place, {}, find_items(names, True, (), ()), shard_size, "skip")
    worker = Worker(json.loads(json.dumps(job.to_json())))
    said = [json.loads(worker({"id": number})["said"]) for number in range(len(plan.counts))]
    content = [(job.place / part_name(number, job.form)).read().decode() for number in range(len(plan.counts))]
    return said, [json.loads(line) for part in content for line in part.splitlines()]


def tried(job):
    """What a new worker says of the first shard."""
    return json.loads(Worker(job.to_json())({"id": 0})["said"])


def on_one_machine(folder, tmp_path, *options):
    path = tmp_path / "alone.jsonl"
    CliRunner().invoke(main, ["caption", str(folder), "-r", "-f", "jsonl", "-o", str(path), *options])
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_records_are_those_of_one_machine_errors_included(tmp_path):
    folder = write_folder(tmp_path / "in", 12)
    said, records = run(tmp_path / "out", [str(folder)])
    assert records == on_one_machine(folder, tmp_path) and len(records) == 14
    assert [each["captioned"] for each in said] == [4, 5, 3] and sum(each["failed"] for each in said) == 2
    assert f"{folder}/0001b.jpg: not an image of a known format" in said[0]["failures"]


def test_search_and_shape_are_as_asked(tmp_path):
    folder = write_folder(tmp_path / "in", 2)
    decoding, shape = DecodingOptions(beam_size=3, num_candidates=2), ShapeOptions(prefix="x, ", min_confidence=0.3)
    _, records = run(tmp_path / "out", [str(folder)], decoding=decoding, shape=shape)
    options = ["--beam-size", "3", "--candidates", "2", "--prefix", "x, ", "--min-confidence", "0.3"]
    assert records == on_one_machine(folder, tmp_path, *options)


def test_a_shard_that_is_there_is_not_made_again(tmp_path):
    folder = write_folder(tmp_path / "in", 4)
    said, _ = run(tmp_path / "out", [str(folder)])
    part = tmp_path / "out" / part_name(0, "jsonl")
    before = part.stat().st_mtime_ns
    again, _ = run(tmp_path / "out", [str(folder)])
    assert again == said and part.stat().st_mtime_ns == before


def test_a_worker_opens_its_model_once_and_only_when_there_is_work(tmp_path, monkeypatch):
    from captioner.cluster import shards

    opened = []
    load = shards.Captioner.load
    monkeypatch.setattr(shards.Captioner, "load", lambda *arguments: opened.append(1) or load(*arguments))
    folder = write_folder(tmp_path / "in", 8)
    run(tmp_path / "out", [str(folder)], shard_size=2)
    assert opened == [1]
    run(tmp_path / "out", [str(folder)], shard_size=2)
    assert opened == [1]


def test_parquet_holds_the_same(tmp_path):
    folder = write_folder(tmp_path / "in", 3)
    job = job_for(tmp_path / "out", form="parquet")
    planned(job.place, {}, find_items([str(folder)], True, (), ()), 100, "skip")
    said = json.loads(Worker(job.to_json())({"id": 0})["said"])
    assert (said["captioned"], said["failed"]) == (3, 2)
    assert read_records(tmp_path / "out" / "part-000000.parquet") == on_one_machine(folder, tmp_path)
    assert json.loads(Worker(job.to_json())({"id": 0})["said"]) == said


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_later_run_tries_errors_again_and_nothing_else(tmp_path, monkeypatch, form):
    folder, output = write_folder(tmp_path / "in", 6), tmp_path / "out"
    job = job_for(output, form=form)
    planned(job.place, {}, find_items([str(folder)], True, (), ()), 100, "skip")
    assert tried(job)["failed"] == 2 and failed_shards(job.place) == {0}
    shutil.copy(PHOTOS[0], folder / "0001b.jpg")
    read = []
    monkeypatch.setattr("captioner.cluster.shards.read_source", lambda item: read.append(item.file_name) or item)
    same_run = tried(job)
    assert read == [] and same_run["failed"] == 2  # a machine died, and another comes upon its shard
    said = tried(replace(job, run="2"))
    assert read == ["0001b.jpg", "deep/empty.png"]
    assert (said["captioned"], said["skipped"], said["failed"]) == (1, 6, 1)
    records = FORMS[form].records((output / part_name(0, form)).read_bytes())
    assert records == on_one_machine(folder, tmp_path) and failed_shards(job.place) == {0}
    shutil.copy(PHOTOS[1], folder / "deep" / "empty.png")
    assert tried(replace(job, run="3"))["failed"] == 0 and failed_shards(job.place) == set()
    records = FORMS[form].records((output / part_name(0, form)).read_bytes())
    (tmp_path / "alone.jsonl").unlink()
    assert records == on_one_machine(folder, tmp_path)


def test_a_tar_that_was_broken_off_is_gone_on_with_when_it_is_whole(tmp_path):
    tar, job = write_tar(tmp_path / "a.tar"), job_for(tmp_path / "out")
    whole = tar.read_bytes()
    tar.write_bytes(whole[: len(PHOTOS[0].read_bytes()) + 3000])
    planned(job.place, {}, find_items([str(tar)], True, (), ()), 100, "skip")
    assert (tried(job)["captioned"], tried(job)["failed"]) == (1, 1)
    first = (tmp_path / "out" / "part-000000.jsonl").read_text()
    tar.write_bytes(b"")
    assert tried(replace(job, run="2"))["failed"] == 1
    assert (tmp_path / "out" / "part-000000.jsonl").read_text() == first  # what was had is not lost
    tar.write_bytes(whole)
    said = tried(replace(job, run="3"))
    assert (said["captioned"], said["skipped"], said["failed"]) == (2, 1, 0)
    names = [json.loads(line)["file_name"] for line in (tmp_path / "out" / "part-000000.jsonl").open()]
    assert names == [f"{tar}/{number}.jpg" for number in range(3)]


def test_an_output_that_cannot_be_written_is_told_in_one_line(tmp_path):
    folder = write_folder(tmp_path / "in", 1)
    job = job_for(tmp_path / "out")
    planned(job.place, {}, find_items([str(folder)], True, (), ()), 100, "skip")
    (tmp_path / "out" / "part-000000.jsonl").mkdir()
    said = json.loads(Worker(job.to_json())({"id": 0})["said"])
    assert said["error"].startswith(f"{tmp_path}/out/part-000000.jsonl: ") and "\n" not in said["error"]


def test_a_tar_is_a_shard(tmp_path):
    tar = write_tar(tmp_path / "a.tar")
    said, records = run(tmp_path / "out", [str(tar)])
    assert said == [{"captioned": 3, "skipped": 0, "failed": 0, "failures": []}]
    assert [record["file_name"] for record in records] == [f"{tar}/{number}.jpg" for number in range(3)]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_photos_and_shards_of_an_object_store(tmp_path, monkeypatch, form):
    with s3_server("archive", monkeypatch) as bucket:
        job = job_for(f"{bucket}/out", form=form)
        names = ["a.jpg", "한 개.jpg", "deep/b.jpg"]
        for name, photo in zip(names, PHOTOS, strict=False):
            Place.of(f"{bucket}/in/{name}").write_whole(photo.read_bytes())
        Place.of(f"{bucket}/in/broken.jpg").write_whole(b"no photo")
        plan = planned(job.place, {}, find_items([f"{bucket}/in"], True, (), ()), 3, "skip")
        assert plan.counts == (3, 1)
        worker = Worker(job.to_json())
        said = [json.loads(worker({"id": number})["said"]) for number in range(2)]
        assert [(each["captioned"], each["failed"]) for each in said] == [(2, 1), (1, 0)]
        assert said[0]["failures"] == ["broken.jpg: not an image of a known format"]
        assert job.place.names() == [part_name(0, form), part_name(1, form)]
