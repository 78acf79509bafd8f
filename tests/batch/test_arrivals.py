"""Photos that appear, each when it has stopped growing."""

import os
import shutil

import pytest

from captioner.batch.arrivals import Arrivals
from captioner.photos import MissingInput, Photo


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def arrivals_of(*folders, **kwargs):
    return Arrivals([str(folder) for folder in folders], **kwargs)


def names(arrivals):
    return [item.file_name for item in arrivals.look()]


def test_what_is_there_comes_at_the_second_look_and_once(folder):
    (folder / "a.jpg").write_bytes(b"x")
    arrivals = arrivals_of(folder)
    assert [names(arrivals) for _ in range(4)] == [[], ["a.jpg"], [], []]


def test_a_file_that_grows_is_waited_for(folder):
    arrivals = arrivals_of(folder)
    for size in range(1, 4):
        (folder / "a.jpg").write_bytes(b"x" * size)
        assert names(arrivals) == []
    assert names(arrivals) == ["a.jpg"]


def test_an_empty_file_is_waited_for(folder):
    (folder / "a.jpg").touch()
    arrivals = arrivals_of(folder)
    assert [names(arrivals) for _ in range(3)] == [[], [], []]
    (folder / "a.jpg").write_bytes(b"x")
    assert [names(arrivals) for _ in range(2)] == [[], ["a.jpg"]]


def test_subfolders_that_appear_are_looked_into(folder):
    arrivals = arrivals_of(folder)
    names(arrivals)
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "a.jpg").write_bytes(b"x")
    assert [names(arrivals) for _ in range(2)] == [[], ["new/deep/a.jpg"]]


def test_a_file_that_changes_comes_again(folder):
    (folder / "a.jpg").write_bytes(b"x")
    arrivals = arrivals_of(folder)
    assert [names(arrivals) for _ in range(2)] == [[], ["a.jpg"]]
    (folder / "a.jpg").write_bytes(b"another")
    assert [names(arrivals) for _ in range(2)] == [[], ["a.jpg"]]


def test_what_we_wrote_into_a_photo_makes_no_new_one(folder):
    (folder / "a.jpg").write_bytes(b"x")
    arrivals = arrivals_of(folder)
    arrivals.look()
    (photo,) = arrivals.look()
    (folder / "a.jpg").write_bytes(b"x with a caption")
    arrivals.done_with(photo)
    assert [names(arrivals) for _ in range(3)] == [[], [], []]


def test_our_own_outputs_are_no_photos(folder):
    for name in ("a.txt", "out.png", "b.jpg"):
        (folder / name).write_bytes(b"x")
    arrivals = arrivals_of(folder, include=["*"], ignored=[".txt", str(folder / "out.png")])
    assert [names(arrivals) for _ in range(2)] == [[], ["b.jpg"]]


def test_a_folder_that_vanishes_is_waited_for(folder):
    said = []
    arrivals = arrivals_of(folder, say=said.append)
    (folder / "a.jpg").write_bytes(b"x")
    assert [names(arrivals) for _ in range(2)] == [[], ["a.jpg"]]
    shutil.rmtree(folder)
    assert [names(arrivals) for _ in range(2)] == [[], []]
    folder.mkdir()
    (folder / "b.jpg").write_bytes(b"x")
    assert [names(arrivals) for _ in range(2)] == [[], ["b.jpg"]]
    assert said == [f"{folder} is gone; waiting for it to come back", f"{folder} is back"]


def test_of_two_folders_names_begin_with_the_folder(folder, tmp_path):
    (tmp_path / "other").mkdir()
    for place in (folder, tmp_path / "other"):
        (place / "a.jpg").write_bytes(b"x")
    arrivals = arrivals_of(folder, tmp_path / "other")
    arrivals.look()
    assert names(arrivals) == [f"{folder}/a.jpg", f"{tmp_path}/other/a.jpg"]


def test_a_subfolder_that_cannot_be_listed_is_named_once(folder, monkeypatch):
    (folder / "locked").mkdir()
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    arrivals = arrivals_of(folder)
    (item,) = arrivals.look()
    assert isinstance(item, MissingInput) and str(item) == f"{folder}/locked: Permission denied"
    assert arrivals.look() == []


def test_a_link_that_leads_nowhere_is_no_arrival(folder):
    (folder / "a.jpg").symlink_to("nowhere")
    arrivals = arrivals_of(folder)
    assert [names(arrivals) for _ in range(3)] == [[], [], []]


def test_an_arrival_is_a_photo_of_its_folder(folder):
    (folder / "a.jpg").write_bytes(b"x")
    arrivals = arrivals_of(folder)
    arrivals.look()
    assert arrivals.look() == [Photo("a.jpg", f"{folder}/a.jpg", str(folder))]
