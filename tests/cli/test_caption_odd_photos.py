"""A folder as folders are: whatever is in it, each photo is captioned or named, and no photo stops the others."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from nobody import as_nobody, open_folder
from PIL import Image

from captioner.cli import main

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from odd_photos import BROKEN, WHOLE, scene, write_odd_photos

sys.path.pop(0)


@pytest.fixture
def run(tiny_model_dir):
    def invoke(*arguments, model=tiny_model_dir):
        return CliRunner().invoke(main, ["caption", *map(str, arguments), "--model", str(model)])

    return invoke


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    write_odd_photos(folder)
    return folder


def test_every_photo_is_captioned_or_named(run, odd_folder, tmp_path):
    result = run(odd_folder, "-r", "-f", "jsonl", "-o", tmp_path / "out.jsonl", "--errors", tmp_path / "errors.jsonl")
    assert result.exit_code == 1 and "Traceback" not in result.output
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {record["file_name"] for record in records if "text" in record} == WHOLE.keys()
    errors = {record["file_name"]: record["error"]["message"] for record in records if "error" in record}
    assert errors.keys() == BROKEN.keys() and len(records) == len(WHOLE) + len(BROKEN)
    assert all(message.startswith(f"{odd_folder / name}: ") for name, message in errors.items())
    named = [json.loads(line)["file_name"] for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert named == list(errors)
    assert f"captioned {len(WHOLE)}, skipped 0, failed {len(BROKEN)} in" in result.stderr


def test_what_failed_is_said_in_words(run, odd_folder):
    said = run(odd_folder).stderr.splitlines()
    reasons = {line.rpartition("/")[2].partition(": ")[::2] for line in said if line.startswith("failed: ")}
    reasons = dict(reasons)
    assert reasons["empty.jpg"] == "not an image of a known format"
    assert reasons["text.jpg"] == "not an image of a known format"
    assert reasons["vast.png"] == "too many pixels to be a photo"
    assert reasons["cut short.jpg"].startswith("broken or cut short")
    assert reasons["link to nothing.jpg"] == "no such file"
    assert reasons["link to itself.jpg"] == "too many levels of symbolic links"


def test_each_has_a_line_of_text_of_its_own(run, odd_folder):
    lines = run(odd_folder, "-r").stdout.splitlines()
    assert len(lines) == len(WHOLE) and all(line.count("\t") == 1 and line.split("\t")[1] for line in lines)
    assert any(line.startswith("line\\nend.jpg\t") for line in lines)
    assert any(line.startswith("tab\\t.jpg\t") for line in lines)


def test_sidecars_are_one_line_each_and_none_is_empty(run, odd_folder, tmp_path):
    run(odd_folder, "-r", "--sidecar", "txt", "--output-dir", tmp_path)
    sidecars = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(sidecars) == len(WHOLE)
    assert all(path.read_bytes().strip() and path.read_bytes().count(b"\n") == 1 for path in sidecars)


def test_a_name_with_a_leading_dash_is_given_behind_two_dashes(run, odd_folder, monkeypatch, tiny_model_dir):
    monkeypatch.chdir(odd_folder)
    result = CliRunner().invoke(main, ["caption", "--model", str(tiny_model_dir), "--", "-dash.jpg"])
    assert result.exit_code == 0 and result.stdout.strip()


def test_no_permission_is_one_failure_among_captions(tiny_model_dir):
    with open_folder() as folder:
        shutil.copytree(tiny_model_dir, folder / "model")
        (folder / "photos").mkdir()
        for name in ("a.jpg", "locked.jpg"):
            scene().save(folder / "photos" / name)
        (folder / "photos" / "locked.jpg").chmod(0)
        (folder / "photos" / "room").mkdir(mode=0)
        with as_nobody():
            command = ["caption", str(folder / "photos"), "-r", "--model", str(folder / "model")]
            result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["a.jpg"]
        assert f"failed: {folder}/photos/locked.jpg: no permission to read it" in result.stderr
        assert f"failed: {folder}/photos/room: Permission denied" in result.stderr


def test_heic_is_read_where_what_that_takes_is_installed(run, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(scene(128, 96)).save(tmp_path / "a.heic")
    assert run(tmp_path).stdout.startswith("a.heic\t")


def test_heic_is_one_line_that_says_what_to_install(run, tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    result = run(tmp_path)
    assert result.exit_code == 1
    message = f"{tmp_path}/a.heic: HEIC photos are read with pip install 'captioner[heic]'"
    assert result.stderr.splitlines()[-1] == f"failed: {message}"


def test_exif_turns_the_photo(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    scene().save(tmp_path / "turned.jpg", exif=exif, quality=95)
    scene().transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.jpg", quality=95)
    turned, upright = (line.split("\t")[1] for line in run(tmp_path).stdout.splitlines())
    assert turned == upright


def test_memory_stays_flat_before_a_photo_of_too_many_pixels(odd_folder):
    from captioner.errors import ImageError
    from captioner.images import read_image

    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="too many pixels"):
        read_image(odd_folder / "vast.png", 320)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_a_loop_of_links_among_folders_ends(run, tmp_path):
    (tmp_path / "sub").mkdir()
    scene().save(tmp_path / "sub" / "a.jpg")
    os.symlink(tmp_path, tmp_path / "sub" / "again")
    assert len(run(tmp_path, "-r").stdout.splitlines()) == 1
