"""A shard holds what one machine would have written."""

import json
import shutil
import tarfile
from dataclasses import replace

import pytest
from click.testing import CliRunner
from made_up_archives import PHOTOS, write_folder, write_tar
from s3 import s3_server

from captioner.cli import main
from captioner.cluster.places import Place
from captioner.cluster.plan import failed_shards, finished_shards, part_name, planned, read_plan
from captioner.cluster.shards import FORMS, Job, Worker
from captioner.cluster.sources import find_items
from captioner.inference import Caption
from captioner.options import DecodingOptions, ShapeOptions
from captioner.outputs.forms import success_record
from captioner.outputs.tables import read_records


def job_for(output, **changes):
    options = {"form": "jsonl", "model": "flickr8k", "decoding": DecodingOptions(), "shape": ShapeOptions()}
    alike = {"output": str(output), "plan": "", "batch_size": 4, "threads": 1, "folder": "/", "run": "1"}
    return Job(**alike | options | changes)


def planned_job(job, names, shard_size=100):
    """The job, planned."""
    plan = planned(job.place, {}, find_items(names, True, (), ()), shard_size, "skip")
    return replace(job, plan=plan.id)


def run(output, names, shard_size=5, **changes):
    """`(what the worker said of each shard, all records)`."""
    job = planned_job(job_for(output, **changes), names, shard_size)
    plan = read_plan(job.place)
    worker = Worker(json.loads(json.dumps(job.to_json())))
    said = [json.loads(worker({"id": number})["said"]) for number in range(len(plan.counts))]
    content = [(job.place / part_name(number, job.form)).read().decode() for number in range(len(plan.counts))]
    return said, [json.loads(line) for part in content for line in part.splitlines()]


def tried(job):
    """What a new worker says of the first shard."""
    return json.loads(Worker(job.to_json())({"id": 0})["said"])


def on_one_machine(folder, tmp_path, *options):
    path = tmp_path / "alone.jsonl"
    command = ["caption", str(folder), "-r", "-f", "jsonl", "-o", str(path), "--model", "flickr8k"]
    CliRunner().invoke(main, [*command, *options])
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


@pytest.fixture
def as_read(monkeypatch):
    """The names of the photos that are captioned; the caption of each is its name."""
    from captioner.cluster import shards

    read = []

    def caption_items(captioner, items, job):
        for item in items:
            read.append(item.file_name)
            yield success_record(item.file_name, Caption(f"a {item.file_name}", -1.0, 0.5, "m"))

    monkeypatch.setattr(shards, "caption_items", caption_items)
    monkeypatch.setattr(shards.Captioner, "load", lambda *arguments: None)
    return read


CUTS = [0, 1, 0.3, 0.5, 0.9, -1]  # bytes, or a share of them, or from the end


def cut(path, where):
    content = path.read_bytes()
    path.write_bytes(content[: int(where * len(content)) if isinstance(where, float) else where])


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("where", [*CUTS, "line", "another's", "photos"])
def test_a_shard_that_is_not_whole_is_not_finished_and_is_made_again(tmp_path, as_read, form, where):
    folder = write_folder(tmp_path / "in", 4)
    job = planned_job(job_for(tmp_path / "out", form=form), [str(folder)], 4)
    said = [json.loads(Worker(job.to_json())({"id": number})["said"]) for number in range(2)]
    assert finished_shards(job.place, read_plan(job.place), form) == {0, 1}
    paths = [tmp_path / "out" / part_name(number, form) for number in range(2)]
    whole = [path.read_bytes() for path in paths]
    changes = {
        "line": lambda: paths[0].write_bytes(FORMS[form].content(FORMS[form].records(whole[0])[:2])),
        "another's": lambda: paths[0].write_bytes(b"not of ours\n"),
        "photos": lambda: paths[0].write_bytes(whole[1]),
    }
    changes.get(where, lambda: cut(paths[0], where))()
    assert finished_shards(job.place, read_plan(job.place), form) == {1}
    as_read.clear()
    assert tried(replace(job, run="2")) == said[0] and len(as_read) == 4
    assert [path.read_bytes() for path in paths] == whole
    assert finished_shards(job.place, read_plan(job.place), form) == {0, 1}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("where", [*CUTS, "line"])
def test_so_is_one_of_a_tar_whose_photos_nobody_counted(tmp_path, as_read, form, where):
    tar = write_tar(tmp_path / "a.tar")
    job = planned_job(job_for(tmp_path / "out", form=form), [str(tar)])
    said, path = tried(job), tmp_path / "out" / part_name(0, form)
    whole = path.read_bytes()
    if where == "line":
        path.write_bytes(FORMS[form].content(FORMS[form].records(whole)[:2]))
    else:
        cut(path, where)
    assert finished_shards(job.place, read_plan(job.place), form) == set()
    assert tried(replace(job, run="2")) == said and path.read_bytes() == whole


def test_a_tar_without_photos_has_a_shard_that_is_finished(tmp_path, as_read):
    with tarfile.open(tmp_path / "a.tar", "w"):
        pass
    job = planned_job(job_for(tmp_path / "out"), [str(tmp_path / "a.tar")])
    assert tried(job) == {"captioned": 0, "skipped": 0, "failed": 0, "failures": []}
    assert finished_shards(job.place, read_plan(job.place), "jsonl") == {0}


def test_shards_of_an_older_version_are_looked_at_and_kept(tmp_path, as_read):
    folder, tar = write_folder(tmp_path / "in", 4), write_tar(tmp_path / "a.tar")
    job = planned_job(job_for(tmp_path / "out"), [str(folder), str(tar)])
    worker = Worker(job.to_json())
    assert [json.loads(worker({"id": number})["said"])["captioned"] for number in range(2)] == [6, 3]
    shutil.rmtree(tmp_path / "out" / "plan" / "made")
    plan_path = tmp_path / "out" / "plan" / "plan.json"
    plan = json.loads(plan_path.read_text())
    del plan["id"]
    plan_path.write_text(json.dumps(plan))
    as_read.clear()
    worker = Worker(replace(job, plan="", run="2").to_json())
    said = [json.loads(worker({"id": number})["said"]) for number in range(2)]
    assert [(each["captioned"], each["skipped"]) for each in said] == [(0, 6), (0, 3)] and as_read == []
    assert finished_shards(job.place, read_plan(job.place), "jsonl") == {0, 1}


def test_a_record_that_a_person_corrected_stays(tmp_path, as_read):
    folder = write_folder(tmp_path / "in", 1)
    job = planned_job(job_for(tmp_path / "out"), [str(folder)])
    tried(job)
    path = tmp_path / "out" / part_name(0, "jsonl")
    path.write_text(path.read_text().replace("a 0001b.jpg", "my own dog"))
    as_read.clear()
    assert tried(replace(job, run="2"))["skipped"] == 3 and as_read == []
    assert "my own dog" in path.read_text()


def test_a_worker_that_outlives_its_run_writes_nothing_into_what_was_planned_anew(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "in", 1)
    job = planned_job(job_for(tmp_path / "out"), [str(folder)])

    def planned_meanwhile(captioner, items, job):
        planned(job.place, {}, [], 100, "overwrite")
        return [success_record(item.file_name, Caption("stale", -1.0, 0.5, "m")) for item in items]

    monkeypatch.setattr("captioner.cluster.shards.caption_items", planned_meanwhile)
    for _ in range(2):
        assert tried(job)["error"] == f"{tmp_path}/out: planned anew meanwhile; this run ends"
    assert not (tmp_path / "out" / part_name(0, "jsonl")).exists()


def test_a_plan_that_does_not_name_a_shard_s_photos_is_told_in_one_line(tmp_path):
    job = planned_job(job_for(tmp_path / "out"), [str(write_folder(tmp_path / "in", 1))])
    (tmp_path / "out" / "plan" / "000000.json").write_text('[["a.jpg"')
    assert tried(job)["error"].startswith(f"{tmp_path}/out/plan/000000.json: does not name the photos of a shard")


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
    job = planned_job(job, [str(folder)])
    said = json.loads(Worker(job.to_json())({"id": 0})["said"])
    assert (said["captioned"], said["failed"]) == (3, 2)
    assert read_records(tmp_path / "out" / "part-000000.parquet") == on_one_machine(folder, tmp_path)
    assert json.loads(Worker(job.to_json())({"id": 0})["said"]) == said


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_later_run_tries_errors_again_and_nothing_else(tmp_path, monkeypatch, form):
    folder, output = write_folder(tmp_path / "in", 6), tmp_path / "out"
    job = job_for(output, form=form)
    job = planned_job(job, [str(folder)])
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
    job = planned_job(job, [str(tar)])
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
    job = planned_job(job, [str(folder)])
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
        job = planned_job(job, [f"{bucket}/in"], 3)
        assert read_plan(job.place).counts == (3, 1)
        worker = Worker(job.to_json())
        said = [json.loads(worker({"id": number})["said"]) for number in range(2)]
        assert [(each["captioned"], each["failed"]) for each in said] == [(2, 1), (1, 0)]
        assert said[0]["failures"] == ["broken.jpg: not an image of a known format"]
        assert job.place.names() == [part_name(0, form), part_name(1, form)]
