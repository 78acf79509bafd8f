"""`--write-metadata` and `--sidecar xmp`: captions in the photos, and never over a person's words."""

import json
import os
import shutil
import subprocess

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner import Captioner
from captioner.cli import main
from captioner.outputs.metadata import read_captions, read_xmp_sidecar, write_captions

FORMATS = {"a.jpg": {"quality": 90}, "b.png": {}, "c.webp": {"quality": 80}, "d.tiff": {}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, (name, settings) in enumerate(FORMATS.items()):
        Image.new("RGB", (90, 60), (60 * number, 90, 200)).save(tmp_path / "photos" / name, **settings)
    return tmp_path / "photos"


@pytest.fixture
def run(tiny_model_dir, folder):
    def invoke(*arguments):
        return CliRunner().invoke(main, ["caption", str(folder), *map(str, arguments), "--model", str(tiny_model_dir)])

    return invoke


@pytest.fixture
def said(folder, tiny_model_dir):
    captioner = Captioner.load(tiny_model_dir)
    return {name: captioner.caption(folder / name).text for name in FORMATS}


def as_a_person(path, **texts):
    """Words in the fields, as another program would leave them: without our mark."""
    write_captions(path, texts)
    content = path.read_bytes().replace(b"tag:captioner,2026:xmp/", b"tag:somebodyx,2026:xmp/")
    path.write_bytes(content)
    found = read_captions(path)
    assert all(found[field].is_human for field in texts)


def pixels(folder):
    return {name: Image.open(folder / name).convert("RGB").tobytes() for name in FORMATS}


def test_captions_go_into_photos_of_every_format_once(run, folder, said):
    before = pixels(folder)
    result = run("--write-metadata", "both")
    assert result.exit_code == 0 and "captioned 4" in result.stderr
    for name, text in said.items():
        found = read_captions(folder / name)
        assert found.description.text == text
        assert found.alt.text == text
        assert found.alt.is_ours and found.description.is_ours
    assert pixels(folder) == before
    content = {name: (folder / name).read_bytes() for name in FORMATS}
    again = run("--write-metadata", "both")
    assert again.exit_code == 0 and "captioned 0, skipped 4" in again.stderr
    assert {name: (folder / name).read_bytes() for name in FORMATS} == content


def test_only_the_field_that_is_asked_for_is_written(run, folder, said):
    run("--write-metadata", "alt")
    found = read_captions(folder / "a.jpg")
    assert (found.alt.text, found.description.text) == (said["a.jpg"], "")
    assert "captioned 4" in run("--write-metadata", "description").stderr


@pytest.mark.parametrize("existing", ["skip", "overwrite"])
def test_words_a_person_wrote_stay(run, folder, existing):
    as_a_person(folder / "a.jpg", alt="my own words")
    as_a_person(folder / "c.webp", alt="mine, too", description="and these")
    result = run("--write-metadata", "both", "--existing", existing)
    assert result.exit_code == 0 and "captioned 3, skipped 1" in result.stderr
    first, second = read_captions(folder / "a.jpg"), read_captions(folder / "c.webp")
    assert (first.alt.text, first.description.is_ours) == ("my own words", True)
    assert (second.alt.text, second.description.text) == ("mine, too", "and these")


def test_words_a_person_wrote_go_where_that_is_asked_for(run, folder, said):
    as_a_person(folder / "a.jpg", alt="my own words")
    result = run("--write-metadata", "alt", "--replace-human")
    assert "captioned 4, skipped 0" in result.stderr
    assert read_captions(folder / "a.jpg").alt.text == said["a.jpg"]


def test_our_own_words_are_replaced_where_that_is_asked_for(run, folder, said):
    run("--write-metadata", "alt", "--prefix", "Photo: ")
    assert read_captions(folder / "a.jpg").alt.text == f"Photo: {said['a.jpg']}"
    assert "skipped 4" in run("--write-metadata", "alt").stderr
    run("--write-metadata", "alt", "--existing", "overwrite")
    assert read_captions(folder / "a.jpg").alt.text == said["a.jpg"]


def test_an_alt_text_is_cut_and_a_description_is_not(run, folder, said):
    suffix = " — " + "x" * 110
    run("--write-metadata", "both", "--suffix", suffix)
    found = read_captions(folder / "a.jpg")
    assert found.description.text == said["a.jpg"] + suffix
    assert len(found.alt.text) <= 125 or " " not in found.alt.text.removesuffix(suffix)
    assert found.alt.text.endswith(suffix)


def test_the_times_of_a_photo_stay(run, folder):
    os.utime(folder / "a.jpg", (10**9, 10**9))
    run("--write-metadata", "alt")
    assert (folder / "a.jpg").stat().st_mtime == 10**9


def test_what_has_no_metadata_is_named_and_the_rest_goes_on(run, folder, tmp_path):
    Image.new("RGB", (9, 9)).save(folder / "e.gif")
    result = run("--write-metadata", "alt", "-f", "jsonl", "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 1 and "captioned 4, skipped 0, failed 1" in result.stderr
    message = f"failed: {folder}/e.gif: metadata can be written to JPEG, PNG, WebP and TIFF only"
    assert result.stderr.splitlines()[-1] == message
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["file_name"] for record in records if "text" in record] == [*FORMATS, "e.gif"]


def test_stdin_has_no_metadata(tiny_model_dir, folder):
    command = ["caption", "-", "--write-metadata", "alt", "--model", str(tiny_model_dir)]
    result = CliRunner().invoke(main, command, input=(folder / "a.jpg").read_bytes())
    assert result.exit_code == 1 and result.stderr.startswith("failed: -: bytes of stdin are no file")


def test_xmp_sidecars_are_made_and_skipped(run, folder, said):
    run("--sidecar", "xmp")
    found = read_xmp_sidecar(folder / "a.jpg.xmp")
    assert (found.alt.text, found.description.text) == (said["a.jpg"], said["a.jpg"])
    assert "captioned 0, skipped 4" in run("--sidecar", "xmp").stderr


def test_xmp_sidecars_of_other_programs_are_merged(run, folder, said):
    other = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"'
        ' xmp:CreatorTool="darktable"/></rdf:RDF></x:xmpmeta>'
    )
    (folder / "a.xmp").write_text(other)
    run("--sidecar", "xmp")
    text = (folder / "a.xmp").read_text()
    assert 'xmp:Rating="4"' in text and 'xmp:CreatorTool="darktable"' in text and said["a.jpg"] in text
    assert not (folder / "a.jpg.xmp").exists()


def test_exiftool_reads_what_the_command_wrote(run, folder, said):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    run("--write-metadata", "both")
    done = subprocess.run(["exiftool", "-j", *FORMATS], cwd=folder, capture_output=True, text=True, check=True)
    for tags in json.loads(done.stdout):
        text = said[tags["SourceFile"]]
        assert (tags["AltTextAccessibility"], tags["Description"], tags["ImageDescription"]) == (text, text, text)


@pytest.mark.parametrize("suffix", [".dng", ".nef"])
def test_a_camera_raw_is_never_written_into(folder, tiny_model_dir, suffix):
    raw = (folder / "d.tiff").rename(folder / f"d{suffix}")
    before = raw.read_bytes()
    command = ["caption", str(raw), "--write-metadata", "alt", "--model", str(tiny_model_dir)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1 and "camera raws, which are left alone" in result.stderr
    assert raw.read_bytes() == before
