"""A folder captioned with outputs that are gone on with: what is written, what is skipped, what is said."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner import Captioner
from captioner.cli import main
from captioner.files import write_text
from captioner.options import ShapeOptions
from captioner.outputs.forms import JsonLines
from captioner.outputs.streams import RecordFile

PHOTOS = Path(__file__).parents[2] / "data" / "photos"


@pytest.fixture
def run(tiny_model_dir):
    def invoke(*arguments, command="caption"):
        return CliRunner().invoke(main, [command, *map(str, arguments), "--model", str(tiny_model_dir)])

    return invoke


@pytest.fixture
def folder(tmp_path):
    """Three photos, one of them in a subfolder."""
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name, sample in (("a.jpg", "dog"), ("b.png", "cow"), ("sub/c.webp", "kitten")):
        with Image.open(PHOTOS / f"{sample}.jpg") as image:
            image.resize((120, 90)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.fixture
def said(folder, tiny_model_dir):
    captioner = Captioner.load(tiny_model_dir)
    return {name: captioner.caption(folder / name).text for name in ("a.jpg", "b.png", "sub/c.webp")}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# gone on with


def test_the_same_command_again_does_nothing(run, folder, tmp_path):
    arguments = folder, "-r", "-f", "jsonl", "-o", tmp_path / "out.jsonl"
    run(*arguments)
    before = (tmp_path / "out.jsonl").read_bytes()
    result = run(*arguments)
    assert result.exit_code == 0 and result.stderr.startswith("captioned 0, skipped 3, failed 0 in ")
    assert (tmp_path / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize("format_name", ["text", "jsonl", "csv"])
def test_what_came_meanwhile_is_appended(run, folder, tmp_path, format_name, said):
    output = tmp_path / "out"
    run(folder, "-f", format_name, "-o", output)
    result = run(folder, "-r", "-f", format_name, "-o", output)
    assert "captioned 1, skipped 2, failed 0" in result.stderr
    text = output.read_text("utf-8-sig")
    if format_name == "csv":
        found = {row["file_name"]: row["text"] for row in csv.DictReader(text.splitlines())}
    elif format_name == "jsonl":
        found = {record["file_name"]: record["text"] for record in records(output)}
    else:
        found = dict(line.split("\t") for line in text.splitlines())
    assert found == said


def test_each_output_is_judged_for_itself(run, folder, tmp_path, said):
    run(folder, "-r", "--sidecar", "txt")
    (folder / "a.txt").unlink()
    write_text(folder / "b.txt", "words of my own\n")
    result = run(folder, "-r", "--sidecar", "txt", "-f", "jsonl", "-o", tmp_path / "out.jsonl")
    assert "captioned 3, skipped 0" in result.stderr
    assert len(records(tmp_path / "out.jsonl")) == 3
    assert (folder / "a.txt").read_text() == said["a.jpg"] + "\n"
    assert (folder / "b.txt").read_text() == "words of my own\n"


def test_a_broken_photo_that_is_mended_has_one_record(run, folder, tmp_path):
    whole = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").write_bytes(whole[:300])
    arguments = folder, "-f", "jsonl", "-o", tmp_path / "out.jsonl"
    assert run(*arguments).exit_code == 1
    assert run(*arguments).exit_code == 1
    assert ["error" in record for record in records(tmp_path / "out.jsonl")] == [False, True]
    (folder / "a.jpg").write_bytes(whole)
    assert run(*arguments).exit_code == 0
    found = records(tmp_path / "out.jsonl")
    assert sorted(record["file_name"] for record in found) == ["a.jpg", "b.png"]
    assert all("text" in record for record in found)


def test_overwriting_captions_all_anew(run, folder, tmp_path, said):
    (folder / "a.txt").write_text("old\n")
    result = run(folder, "--sidecar", "txt", "--existing", "overwrite")
    assert (folder / "a.txt").read_text() == said["a.jpg"] + "\n"
    assert result.stdout == f"a.jpg\t{said['a.jpg']}\nb.png\t{said['b.png']}\n"
    (tmp_path / "out").write_text("something else\n")
    run(folder, "-o", tmp_path / "out", "--existing", "overwrite")
    assert (tmp_path / "out").read_text() == result.stdout


def test_with_error_nothing_is_done_where_a_caption_is(run, folder):
    (folder / "b.txt").write_text("old\n")
    result = run(folder, "--sidecar", "txt", "--existing", "error")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith(f"Error: b.png has its caption already, in {folder}/b.txt; --existing skip")
    assert not (folder / "a.txt").exists()


@pytest.mark.parametrize("existing", ["skip", "error"])
def test_a_single_caption_goes_over_nothing_that_is_there(run, folder, tmp_path, said, existing):
    assert run(folder / "a.jpg", "-o", tmp_path / "out", "--existing", existing).exit_code == 0
    result = run(folder / "b.png", "-o", tmp_path / "out", "--existing", existing)
    message = f"Error: {tmp_path}/out holds something already; --existing overwrite replaces it\n"
    assert (result.exit_code, result.stderr) == (1, message)
    assert (tmp_path / "out").read_text() == said["a.jpg"] + "\n"
    run(folder / "b.png", "-o", tmp_path / "out", "--existing", "overwrite")
    assert (tmp_path / "out").read_text() == said["b.png"] + "\n"


@pytest.mark.parametrize("option", ["-o", "--errors"])
def test_nothing_is_ever_written_over_a_photo(run, folder, option):
    before = (folder / "a.jpg").read_bytes()
    result = run(folder / "b.png", option, folder / "a.jpg", "--existing", "overwrite")
    assert result.exit_code == 2 and "captions are not written over photos" in result.stderr
    (folder / "photo").write_bytes(before)
    result = run(folder / "photo", "-f", "jsonl", option, folder / "photo", "--existing", "overwrite")
    assert result.exit_code != 0 and result.stderr.count("\n") == 1
    assert (folder / "a.jpg").read_bytes() == (folder / "photo").read_bytes() == before


@pytest.mark.parametrize("content", ["dear diary\n", "no end of the line", "\t\n"])
@pytest.mark.parametrize("arguments", [["-f", "jsonl", "-o"], ["-f", "csv", "-o"], ["--errors"]])
def test_words_of_another_kind_stay_wherever_records_are_to_go(run, folder, tmp_path, arguments, content):
    (tmp_path / "notes").write_text(content)
    result = run(folder, *arguments, tmp_path / "notes")
    assert result.exit_code == 1 and "is no record of a caption; give another file" in result.stderr
    assert (tmp_path / "notes").read_text() == content


def test_json_of_another_program_is_named_and_stays(run, folder):
    (folder / "a.json").write_text('{"title": "my album"}')
    for existing in ("skip", "overwrite"):
        result = run(folder, "--sidecar", "json", "--existing", existing)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1] == (
            f"failed: {folder}/a.json: holds no caption, but something of another program's"
        )
    assert (folder / "a.json").read_text() == '{"title": "my album"}'
    assert json.loads((folder / "b.json").read_text())["file_name"] == "b.png"


def test_a_broken_photo_is_one_failure_however_many_outputs_it_has(run, folder, tmp_path):
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    arguments = "--sidecar", "txt", "--write-metadata", "both", "--errors", tmp_path / "errors.jsonl"
    result = run(folder, *arguments)
    assert "failed 1 in" in result.stderr and result.stderr.count("failed: ") == 1
    assert len(records(tmp_path / "errors.jsonl")) == 1


@pytest.mark.parametrize("kind", ["txt", "xmp"])
def test_a_name_that_is_too_long_for_its_sidecar_does_not_stop_the_rest(run, folder, kind):
    (folder / "b.png").rename(folder / ("b" * 251 + ".png"))
    result = run(folder, "--sidecar", kind, "--existing", "overwrite")
    assert "captioned" in result.stderr and "Error: " not in result.stderr
    assert (folder / ("a.txt" if kind == "txt" else "a.jpg.xmp")).exists()


def test_streams_that_are_closed_are_no_traceback(folder, tiny_model_dir, tmp_path):
    command = f"{sys.executable} -m captioner caption --model {tiny_model_dir}"
    done = subprocess.run(f"{command} - <&-", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "Error: stdin is closed\n")
    done = subprocess.run(f"{command} {folder} -o {tmp_path}/out >&- 2>&-", shell=True)
    assert done.returncode == 0 and len((tmp_path / "out").read_text().splitlines()) == 2


# what is written


def test_sidecars_lie_beside_their_photos_and_what_they_say_is_shown(run, folder, said):
    result = run(folder, "-r", "--sidecar", "caption")
    assert files_below(folder) == {*said, "a.caption", "b.caption", "sub/c.caption"}
    assert (folder / "sub" / "c.caption").read_text() == said["sub/c.webp"] + "\n"
    assert result.stdout == "".join(f"{name}\t{text}\n" for name, text in said.items())
    assert run(folder, "-r", "--sidecar", "caption").stdout == ""


def test_photos_that_would_share_a_sidecar_have_one_each(run, folder):
    (folder / "a.jpg").rename(folder / "b.jpg")
    run(folder, "--sidecar", "txt")
    assert files_below(folder) == {"b.jpg", "b.jpg.txt", "b.png", "b.png.txt", "sub/c.webp"}


def test_equal_names_of_two_folders_do_not_clash(run, folder, tmp_path):
    (folder / "sub" / "c.webp").rename(folder / "sub" / "a.jpg")
    output = tmp_path / "out.jsonl"
    run(folder, folder / "sub", "-f", "jsonl", "-o", output, "--sidecar", "txt", "--output-dir", tmp_path / "side")
    names = [record["file_name"] for record in records(output)]
    assert names == [f"{folder}/a.jpg", "b.png", f"{folder}/sub/a.jpg"]
    assert len(files_below(tmp_path / "side")) == 3


def test_a_photo_that_is_named_twice_is_captioned_once(run, folder):
    assert len(run(folder, folder / "a.jpg", f"{folder}/./b.png").stdout.splitlines()) == 2


def test_the_shape_is_the_same_wherever_a_caption_goes(run, folder, tmp_path):
    run(folder, "-f", "csv", "-o", tmp_path / "out.csv", "--sidecar", "txt", "--prefix", "ohwx, ", "--max-chars", 12)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()))
    assert all(row["text"].startswith("ohwx, ") and len(row["text"]) <= 12 for row in rows)
    assert (folder / "a.txt").read_text() == rows[0]["text"] + "\n"


def test_doubtful_captions_are_marked_and_kept(run, folder):
    found = [json.loads(line) for line in run(folder, "-f", "jsonl", "--min-confidence", 1).stdout.splitlines()]
    assert len(found) == 2 and all(record["low_confidence"] is True and record["text"] for record in found)
    rows = list(csv.DictReader(run(folder, "-f", "csv", "--min-confidence", 0).stdout.splitlines()))
    assert [row["low_confidence"] for row in rows] == ["", ""]


def test_errors_go_to_a_file_and_the_first_ones_are_said(run, folder, tmp_path):
    for number in range(25):
        (folder / f"x{number:02}.jpg").write_bytes(b"")
    result = run(folder, "--errors", tmp_path / "errors.jsonl")
    found = records(tmp_path / "errors.jsonl")
    assert [record["file_name"] for record in found] == [f"x{number:02}.jpg" for number in range(25)]
    assert found[0]["error"] == {"type": "ImageError", "message": f"{folder}/x00.jpg: not an image of a known format"}
    lines = result.stderr.splitlines()
    assert lines[0].startswith("captioned 2, skipped 0, failed 25 in ")
    assert len(lines) == 22 and lines[-1] == f"failed: and 5 more, see {tmp_path}/errors.jsonl"
    assert len(run(folder).stderr.splitlines()) == 26  # where no file names them, all are said


def test_a_dry_run_says_what_would_be_done_and_does_nothing(run, folder):
    (folder / "b.txt").write_text("old\n")
    arguments = folder, "nowhere.jpg", "-r", "--sidecar", "txt"
    before = files_below(folder)
    result = run(*arguments, "--dry-run")
    assert files_below(folder) == before and result.exit_code == 1
    assert result.stdout == f"a.jpg\t{folder}/a.txt\nsub/c.webp\t{folder}/sub/c.txt\n"
    assert result.stderr == "would caption 2, skip 1, fail 1\nfailed: nowhere.jpg: no such file or folder\n"
    done = run(*arguments)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["a.jpg", "sub/c.webp"]
    assert "captioned 2, skipped 1, failed 1" in done.stderr


# what goes wrong


def test_a_second_process_on_one_output_is_refused(run, folder, tmp_path):
    first = RecordFile(tmp_path / "out.jsonl", JsonLines(), True, ShapeOptions())
    first.begin([])
    result = run(folder, "-f", "jsonl", "-o", tmp_path / "out.jsonl")
    first.close()
    assert result.exit_code == 1
    assert re.fullmatch(rf"Error: {tmp_path}/out.jsonl: (process \d+|another process) is writing it\n", result.stderr)


def test_a_file_of_something_else_is_not_written_into(run, folder, tmp_path):
    (tmp_path / "notes").write_text("dear diary\n")
    result = run(folder, "-f", "jsonl", "-o", tmp_path / "notes")
    assert result.exit_code == 1 and (tmp_path / "notes").read_text() == "dear diary\n"
    message = f"Error: {tmp_path}/notes: line 1 is no record of a caption; give another file\n"
    assert result.stderr == message


def test_a_disk_that_fills_says_so_and_what_is_written_stays_whole(run, folder, tmp_path, monkeypatch):
    arguments = folder, "-r", "--sidecar", "txt", "-f", "jsonl", "-o", tmp_path / "out.jsonl"

    def no_room(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", no_room)
        result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"Error: {folder}/a.txt: cannot be written (No space left on device)"
    assert [record["file_name"] for record in records(tmp_path / "out.jsonl")] == ["a.jpg"]
    assert files_below(folder) == {"a.jpg", "b.png", "sub/c.webp"}
    assert run(*arguments).exit_code == 0
    assert len(records(tmp_path / "out.jsonl")) == 3 and "a.txt" in files_below(folder)


def test_ctrl_c_finishes_the_photo_in_hand_and_the_rest_comes_later(tiny_model_dir, tmp_path, folder):
    for number in range(400):
        os.link(folder / "a.jpg", folder / f"n{number:03}.jpg")
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "captioner", "caption", str(folder), "-r", "-f", "jsonl", "-o", str(output)]
    command += ["--sidecar", "txt", "--model", str(tiny_model_dir)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not output.exists() or output.read_bytes().count(b"\n") < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].splitlines()
    assert process.returncode == 130
    done = [record["file_name"] for record in records(output)]
    assert 5 <= len(done) < 403
    assert {Path(name).stem for name in done} == {path.stem for path in folder.rglob("*.txt")}
    assert said[0].startswith(f"captioned {len(done)}, skipped 0, failed 0 in ") and said[-1] == "interrupted"
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert sorted(record["file_name"] for record in records(output)) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix != ".txt"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output-dir", "x"], "--output-dir goes with --sidecar"),
        (["--replace-human"], "--replace-human goes with --write-metadata or --sidecar xmp"),
        (["--prefix", "abc", "--max-chars", "3"], "max-chars must be more than the 3 characters"),
        (["--min-confidence", "2"], "min-confidence must be from 0 to 1, not 2.0"),
        (["-o", "x", "--errors", "x"], "--errors and --output cannot be the same file"),
        (["--sidecar", "doc"], "'doc' is not one of 'txt', 'caption', 'json', 'xmp'"),
        (["--existing", "maybe"], "'maybe' is not one of 'skip', 'overwrite', 'error'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("x.jpg", *arguments)
    assert result.exit_code == 2 and message in result.stderr
    assert not any(tmp_path.iterdir())


def test_the_options_offered_are_those_that_there_are():
    from captioner.cli.caption import caption
    from captioner.options.outputs import EXISTING, FORMATS, METADATA_FIELDS, SIDECAR_KINDS
    from captioner.outputs.forms import FORMS
    from captioner.outputs.sidecars import SIDECARS

    choices = {option.name: option.type.choices for option in caption.params if hasattr(option.type, "choices")}
    assert tuple(choices["format"]) == FORMATS == (*FORMS, "parquet")
    assert tuple(choices["sidecar"]) == SIDECAR_KINDS == (*SIDECARS, "xmp")
    assert tuple(choices["write_metadata"]) == tuple(METADATA_FIELDS)
    assert tuple(choices["existing"]) == EXISTING


def test_a_csv_file_is_for_spreadsheets_and_may_be_for_machines(run, folder, tmp_path):
    for name in ("a.csv", "b.csv"):
        run(
            folder,
            "-f",
            "csv",
            "-o",
            tmp_path / name,
            "--prefix",
            "=",
            *(["--no-bom", "--csv-raw"] if name[0] == "b" else []),
        )
    spreadsheet, machine = ((tmp_path / name).read_bytes() for name in ("a.csv", "b.csv"))
    assert spreadsheet.startswith(b"\xef\xbb\xbffile_name,") and b",'=" in spreadsheet
    assert machine.startswith(b"file_name,") and b",=" in machine and b",'=" not in machine
    result = run(folder, "-f", "csv", "-o", tmp_path / "a.csv", "--prefix", "=")
    assert "captioned 0, " in result.stderr and (tmp_path / "a.csv").read_bytes() == spreadsheet


@pytest.mark.parametrize("arguments", [["--csv-raw"], ["-f", "jsonl", "--no-bom"], ["-f", "csv", "--no-bom"]])
def test_options_of_csv_go_with_csv(run, folder, arguments):
    assert run(folder, *arguments).exit_code == 2
