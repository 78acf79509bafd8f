"""The trial of metadata, in small: what is lost is seen, and what is only new or elsewhere is told apart from it."""

import importlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module("metadata_trial")
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture
def seen(script):
    tags = {"IFD0:Make": ['"Maker"'], "XMP-dc:Subject": ['"cat"', '"sofa"'], "File:ExifByteOrder": ['"II"']}
    return script.Seen(tags, "pixels", "body", 0o100600, 1)


def test_a_file_that_is_the_same_has_no_changes(script, seen):
    assert list(script.changes(seen, seen)) == []


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("frames", None, "pixels"), ("body", "other", "bytes"), ("mode", 0o100644, "mode"), ("modified", 2, "time")],
)
def test_what_is_lost_of_a_file_is_told(name, value, what, script, seen):
    assert list(script.changes(seen, replace(seen, **{name: value}))) == [("LOST", what)]


@pytest.mark.parametrize(
    ("name", "values", "change"),
    [
        ("IFD0:Make", [], [("LOST", "IFD0:Make")]),
        ("IFD0:Make", ['"other"'], [("LOST", "IFD0:Make"), ("new", "IFD0:Make")]),
        ("XMP-dc:Subject", ['"sofa"', '"cat"'], []),
        ("XMP-dc:Subject", ['"sofa"'], [("LOST", "XMP-dc:Subject")]),
        ("XMP-dc:Description", ['"a cat"'], [("new", "XMP-dc:Description")]),
        ("MPImage2:MPImageStart", ["7"], []),
        ("ExifTool:Warning", ['"bad"'], [("LOST", "ExifTool:Warning")]),
    ],
)
def test_tags_that_go_or_come_are_told(name, values, change, script, seen):
    assert list(script.changes(seen, replace(seen, tags=seen.tags | {name: values}))) == change


def test_a_blank_that_gives_way_is_no_loss(script, seen):
    before = replace(seen, tags={"IFD0:ImageDescription": ['"   "']})
    after = replace(seen, tags={"IFD0:ImageDescription": ['"a cat"']})
    assert list(script.changes(before, after)) == [("new", "IFD0:ImageDescription")]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_what_follows_a_picture_belongs_to_what_must_stay(suffix, script, tmp_path):
    path = tmp_path / f"photo.{suffix}"
    Image.new("RGB", (20, 10), "olive").save(path)
    data = path.read_bytes()
    assert script.body_of(data + b"a video") == script.body_of(data) + b"a video"
    assert script.body_of(b"GIF89a") == b"GIF89a"


def test_links_are_left_out_of_the_copy(script, tmp_path):
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "source" / "sub" / "a.jpg").write_bytes(b"a")
    (tmp_path / "source" / "link.jpg").symlink_to("sub/a.jpg")
    script.copy_folder(tmp_path / "source", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").rglob("*")] == ["sub", "a.jpg"]


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_a_small_folder_loses_nothing(script, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for suffix in ("jpg", "png", "webp", "tiff"):
        Image.new("RGB", (64, 48), "teal").save(source / f"a.{suffix}")
    (source / "no photo.jpg").write_text("text")
    (source / "a.jpg").chmod(0o600)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    found = script.trial(source, tmp_path / "work", "flickr8k")
    assert found["checks"] == dict.fromkeys(found["checks"], True)
    assert len(found["changes"]["new XMP-dc:Description"]) == 4 and sum(found["failures"].values()) == 1
    assert "new XMP-dc:Description" in script.table(found)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
