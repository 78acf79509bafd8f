"""What was planned once is gone on with."""

import os

import pytest

from captioner.cluster.places import Place
from captioner.cluster.plan import (
    failed_shards,
    finished_shards,
    held,
    mark_of_failures,
    mark_of_whole,
    part_name,
    planned,
    read_plan,
    read_shard,
    shards_of,
)
from captioner.cluster.sources import Item
from captioner.errors import CaptionerError, ImageError

ASKED = {"inputs": ["photos"], "model": "m"}
PHOTOS = [Item(f"{number}.jpg", f"photos/{number}.jpg") for number in range(5)]
LOST = Item("lost", None, ImageError("lost: no such file or folder"))


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def names(shards):
    return [[item.file_name for item in shard] for shard in shards]


def test_photos_are_cut_into_shards_in_their_order():
    assert names(shards_of(PHOTOS, 2)) == [["0.jpg", "1.jpg"], ["2.jpg", "3.jpg"], ["4.jpg"]]
    assert names(shards_of([], 2)) == []


def test_a_file_of_photos_is_a_shard_by_itself():
    tar = Item("a.tar", "a.tar")
    assert names(shards_of([PHOTOS[0], tar, PHOTOS[1], PHOTOS[2]], 2)) == [["0.jpg"], ["a.tar"], ["1.jpg", "2.jpg"]]


def test_shards_are_listed_as_they_are_needed():
    taken = []

    def items():
        for item in PHOTOS:
            taken.append(item)
            yield item

    next(shards_of(items(), 2))
    assert len(taken) == 2


def test_a_plan_is_written_down_and_read_again(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    plan = planned(output, ASKED, [*PHOTOS, LOST], 4, "skip")
    assert plan.counts == (4, 2) and read_plan(output) == plan
    last = read_shard(output, 1)
    assert last[0] == PHOTOS[4] and last[1].source is None and str(last[1].error) == str(LOST.error)
    assert planned(output, ASKED, [], 4, "skip") == plan  # whatever the folder holds now


def test_a_plan_that_was_broken_off_is_made_anew(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    planned(output, ASKED, PHOTOS, 2, "skip")
    (tmp_path / "out" / "plan" / "plan.json").unlink()
    assert planned(output, ASKED, PHOTOS[:3], 2, "skip").counts == (2, 1)


def test_a_folder_that_was_asked_for_otherwise_is_left_alone(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    planned(output, ASKED, PHOTOS, 2, "skip")
    with pytest.raises(CaptionerError, match="that were asked for with other model; give another folder"):
        planned(output, ASKED | {"model": "n"}, PHOTOS, 2, "skip")
    with pytest.raises(CaptionerError, match="holds captions already"):
        planned(output, ASKED, PHOTOS, 2, "error")


def test_overwriting_makes_all_anew_and_touches_nothing_else(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    planned(output, ASKED, PHOTOS, 2, "skip")
    (output / part_name(0, "jsonl")).write_whole(b"x")
    mark_of_failures(output, 0).write_whole(b"a run")
    (output / "mine.jsonl").write_whole(b"x")
    mark_of_whole(output, 0, 1).write_whole(b"a run")
    plan = read_plan(output)
    assert failed_shards(output) == {0}
    assert finished_shards(output, plan, "jsonl") == {0} and finished_shards(output, plan, "parquet") == set()
    plan = planned(output, ASKED | {"model": "n"}, PHOTOS, 5, "overwrite")
    assert plan.counts == (5,)
    assert files_below(tmp_path / "out") == ["mine.jsonl", "plan/000000.json", "plan/plan.json"]


def test_overwriting_that_is_broken_off_leaves_no_plan_that_passes_for_whole(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    planned(output, ASKED, PHOTOS, 2, "skip")
    (output / part_name(0, "jsonl")).write_whole(b"x")

    def until_it_dies():
        yield from PHOTOS[3:]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        planned(output, ASKED, until_it_dies(), 2, "overwrite")
    plan = planned(output, ASKED, PHOTOS[1:], 2, "skip")
    shards = [read_shard(output, number) for number in range(len(plan.counts))]
    assert names(shards) == [["1.jpg", "2.jpg"], ["3.jpg", "4.jpg"]]
    assert output.names() == []


def test_a_plan_of_another_kind_is_told_so(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    (output / "plan" / "plan.json").write_whole(b"{}")
    with pytest.raises(CaptionerError, match=r"plan\.json: not the plan of a run"):
        planned(output, ASKED, PHOTOS, 2, "skip")


PARTS = [
    "part-000000.jsonl",
    "part-000007.parquet",
    "part-0000001.jsonl",
    "part-00000-0c1d.c000.snappy.parquet",
    "part-r-00000",
    "part-000000.csv",
]


@pytest.mark.parametrize("existing", ["skip", "overwrite", "error"])
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_no_plan_are_refused_and_stay(name, existing, tmp_path):
    output = Place.of(str(tmp_path / "out"))
    (output / name).write_whole(b"of another program")
    with pytest.raises(CaptionerError, match=f"out holds {name}, of no plan of captioner's; give another folder"):
        planned(output, ASKED, PHOTOS, 2, existing)
    assert files_below(tmp_path / "out") == [name] and (output / name).read() == b"of another program"


@pytest.mark.parametrize("name", PARTS[1:])
def test_parts_that_the_plan_does_not_name_are_not_overwritten_with_it(name, tmp_path):
    output = Place.of(str(tmp_path / "out"))
    planned(output, ASKED | {"form": "jsonl"}, PHOTOS, 2, "skip")
    (output / name).write_whole(b"of another program")
    before = files_below(tmp_path / "out")
    with pytest.raises(CaptionerError, match=f"out holds {name}, of no plan"):
        planned(output, ASKED | {"form": "parquet"}, PHOTOS * 5, 1, "overwrite")
    assert files_below(tmp_path / "out") == before
    plan = planned(output, ASKED | {"form": "jsonl"}, PHOTOS, 2, "skip")
    assert finished_shards(output, plan, "jsonl") == finished_shards(output, plan, "parquet") == set()


@pytest.mark.parametrize("name", ["notes.txt", "000000.json", "plan.txt"])
def test_a_folder_of_that_name_of_another_program_is_left_alone(name, tmp_path):
    output = Place.of(str(tmp_path / "out"))
    (output / "plan" / name).write_whole(b"{}")
    for existing in ("skip", "overwrite"):
        with pytest.raises(CaptionerError, match="out/plan is of another program; give another folder"):
            planned(output, ASKED, PHOTOS, 2, existing)
    assert files_below(tmp_path / "out") == [f"plan/{name}"]


def test_wherever_overwriting_is_killed_the_next_run_leaves_only_what_is_of_its_own(tmp_path, monkeypatch):
    dead, steps = False, 0
    remove, write_whole = Place.remove, Place.write_whole

    def dying(do):
        def done(*arguments):
            nonlocal steps
            steps += 1
            if dead and steps > last:
                raise KeyboardInterrupt
            return do(*arguments)

        return done

    monkeypatch.setattr(Place, "remove", dying(remove))
    monkeypatch.setattr(Place, "write_whole", dying(write_whole))
    for last in range(30):
        output = Place.of(str(tmp_path / f"out{last}"))
        dead = False
        planned(output, ASKED | {"form": "jsonl"}, PHOTOS, 2, "skip")
        for number in range(3):
            (output / part_name(number, "jsonl")).write_whole(b"x")
            mark_of_whole(output, number, 1).write_whole(b"a run")
        mark_of_failures(output, 1).write_whole(b"a run")
        (output / "mine.jsonl").write_whole(b"x")
        dead, steps = True, 0
        try:
            planned(output, ASKED, PHOTOS[:2], 1, "overwrite")
        except KeyboardInterrupt:
            pass
        else:
            break
        dead = False
        if read_plan(output) is not None:  # the old one, of which nothing is removed yet
            assert len(finished_shards(output, read_plan(output), "jsonl")) == 3
            continue
        assert planned(output, ASKED, PHOTOS[:2], 1, "skip").counts == (1, 1)
        shards = ["plan/000000.json", "plan/000001.json", "plan/plan.json"]
        assert files_below(tmp_path / f"out{last}") == ["mine.jsonl", *shards]
    assert 10 < last < 29


def test_what_killed_writers_left_is_removed_where_it_is_of_the_plan(tmp_path):
    output, code = Place.of(str(tmp_path / "out")), "0" * 32
    planned(output, ASKED | {"form": "jsonl"}, PHOTOS, 2, "skip")
    litter = [f".part-000001.jsonl.{code}.part", f"plan/.plan.json.{code}.part", f"plan/made/.000000-1.{code}.part"]
    others = [f".part-000007.jsonl.{code}.part", f".mine.txt.{code}.part", ".part-000001.jsonl.part"]
    for name in (*litter, *others):
        (output / name).write_whole(b"half")
    planned(output, ASKED | {"form": "jsonl"}, PHOTOS, 2, "skip")
    found = set(files_below(tmp_path / "out"))
    assert found.isdisjoint(litter) and found.issuperset(others)


def test_an_output_is_of_one_command_at_a_time_which_is_named(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    refused = pytest.raises(CaptionerError, match=f"^{tmp_path}/out: process {os.getpid()} on .* is writing it$")
    with held(output), refused, held(output):
        pytest.fail("it was entered")
    with held(output):
        pass
    assert output.names() == []
