"""What was planned once is gone on with."""

import pytest

from captioner.cluster.places import Place
from captioner.cluster.plan import (
    failed_shards,
    finished_shards,
    mark_of_failures,
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
    assert failed_shards(output) == {0}
    assert finished_shards(output, "jsonl") == {0} and finished_shards(output, "parquet") == set()
    assert planned(output, ASKED | {"model": "n"}, PHOTOS, 5, "overwrite").counts == (5,)
    assert finished_shards(output, "jsonl") == set() and "mine.jsonl" in output.names()
    assert failed_shards(output) == set()


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
    assert finished_shards(output, "jsonl") == set()


def test_a_plan_of_another_kind_is_told_so(tmp_path):
    output = Place.of(str(tmp_path / "out"))
    (output / "plan" / "plan.json").write_whole(b"{}")
    with pytest.raises(CaptionerError, match=r"plan\.json: not the plan of a run"):
        planned(output, ASKED, PHOTOS, 2, "skip")
