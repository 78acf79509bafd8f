"""`captioner caption`: what a user types, and exactly what comes back."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner import Captioner
from captioner.cli import main

PHOTOS = Path(__file__).parents[2] / "data" / "photos"


@pytest.fixture
def run(tiny_model_dir):
    def invoke(*arguments, **kwargs):
        command = ["caption", *map(str, arguments), "--model", str(tiny_model_dir)]
        return CliRunner().invoke(main, command, **kwargs)

    return invoke


@pytest.fixture
def expected(tiny_model_dir):
    captioner = Captioner.load(tiny_model_dir)
    return lambda name: captioner.caption(PHOTOS / name).text


@pytest.fixture
def folder(tmp_path):
    """Two photos, one broken, one in a subfolder."""
    for name in ("a.jpg", "sub/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PHOTOS / "dog.jpg", tmp_path / name)
    shutil.copy(PHOTOS / "cow.jpg", tmp_path / "c.jpg")
    (tmp_path / "broken.jpg").write_bytes((PHOTOS / "dog.jpg").read_bytes()[:2000])
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_a_single_file_prints_its_bare_caption(run, expected):
    result = run(PHOTOS / "dog.jpg")
    assert result.exit_code == 0
    assert result.stdout == expected("dog.jpg") + "\n"


def test_two_files_print_path_tab_caption_as_given(run, expected):
    result = run(PHOTOS / "dog.jpg", PHOTOS / "cow.jpg")
    assert result.stdout == f"{PHOTOS}/dog.jpg\t{expected('dog.jpg')}\n{PHOTOS}/cow.jpg\t{expected('cow.jpg')}\n"


def test_a_folder_prints_names_below_it_and_names_what_failed_last(run, expected, folder):
    result = run(folder)
    assert result.exit_code == 1
    assert result.stdout == f"a.jpg\t{expected('dog.jpg')}\nc.jpg\t{expected('cow.jpg')}\n"
    assert result.stderr.splitlines()[-1].startswith(f"failed: {folder / 'broken.jpg'}: broken or cut short")


def test_recursion_goes_into_subfolders(run, folder):
    result = run(folder, "-r", "--exclude", "broken*")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["a.jpg", "c.jpg", "sub/b.jpg"]
    assert result.exit_code == 0


def test_stdin_gives_image_bytes(run, expected):
    result = run("-", input=(PHOTOS / "dog.jpg").read_bytes())
    assert result.stdout == expected("dog.jpg") + "\n"


def test_globs_are_expanded(run, folder):
    result = run(folder / "[ac].jpg", "--dry-run")
    assert result.stdout.splitlines() == [f"{folder}/a.jpg", f"{folder}/c.jpg"]


def test_files_from_a_list_may_end_with_zero_bytes(run, folder):
    (folder / "list").write_bytes(f"{folder}/a.jpg\0{folder}/c.jpg\0".encode())
    result = run("--files-from", folder / "list", "-0", "--dry-run")
    assert result.stdout.splitlines() == [f"{folder}/a.jpg", f"{folder}/c.jpg"]


def test_json_lines_hold_records_and_errors(run, folder, tiny_model_dir):
    result = run(folder, "-f", "jsonl")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["file_name"] for record in records] == ["a.jpg", "broken.jpg", "c.jpg"]
    assert set(records[0]) == {"file_name", "text", "log_prob", "confidence", "model"}
    assert records[0]["log_prob"] < 0 < records[0]["confidence"] < 1
    assert records[0]["model"] == Captioner.load(tiny_model_dir).name
    assert records[1]["error"]["type"] == "ImageError"
    assert "broken or cut short" in records[1]["error"]["message"]


def test_candidates_are_listed_best_first(run):
    result = run(PHOTOS / "dog.jpg", "-f", "jsonl", "--candidates", "3", "--beam-size", "4")
    record = json.loads(result.stdout)
    assert len(record["candidates"]) == 3
    assert record["candidates"][0]["text"] == record["text"]
    assert len({candidate["text"] for candidate in record["candidates"]}) == 3
    assert len(run(PHOTOS / "dog.jpg", "--candidates", "3").stdout.splitlines()) == 3


def test_csv_has_a_header_and_a_row_a_photo(run, folder, tmp_path):
    output = tmp_path / "out.csv"
    assert run(folder / "a.jpg", folder / "c.jpg", "-f", "csv", "-o", output).stdout == ""
    rows = list(csv.DictReader(io.StringIO(output.read_text("utf-8-sig"))))
    assert [row["file_name"] for row in rows] == [f"{folder}/a.jpg", f"{folder}/c.jpg"]
    assert list(rows[0]) == ["file_name", "text", "log_prob", "confidence", "model"]


def test_max_words_is_held(run):
    assert len(run(PHOTOS / "dog.jpg", "--max-words", "2").stdout.split()) <= 2


def test_tabs_and_line_ends_in_paths_are_escaped(run, tmp_path):
    for name in ("a\tb.png", "c\nd.png", "e\\f.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    names = [line.split("\t")[0] for line in run(tmp_path).stdout.splitlines()]
    assert names == ["a\\tb.png", "c\\nd.png", "e\\\\f.png"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ([], 2, "name at least one photo"),
        (["x.jpg", "--beam-size", "0"], 2, "beam-size must be 1 to 1000, not 0"),
        (["x.jpg", "--candidates", "9", "--beam-size", "3"], 2, "candidates must not be more than the beam size 3"),
        (["x.jpg", "--min-words", "9", "--max-words", "3"], 2, "not below min-words 9"),
        (["x.jpg", "--threads", "0"], 2, "--threads must be at least 1"),
        (["x.jpg", "-f", "yaml"], 2, "yaml"),
        (["x.jpg", "-0"], 2, "-0 goes with --files-from"),
        (["nosuch.jpg"], 1, "failed: nosuch.jpg: no such file or folder"),
        (["--files-from", "nosuch.txt"], 1, "nosuch.txt: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit_code(run, arguments, exit_code, message):
    result = run(*arguments)
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_an_unknown_model_names_those_there_are():
    result = CliRunner().invoke(main, ["caption", str(PHOTOS / "dog.jpg"), "-m", "flikr8k"])
    assert result.exit_code == 1
    presets = "everyday, flickr8k, flickr8k-gru, flickr8k-rnn"
    assert result.stderr == f"Error: unknown preset 'flikr8k'; choose {presets}, or give a model folder\n"


def test_an_output_that_cannot_be_written_is_one_line(run, tmp_path):
    result = run(PHOTOS / "dog.jpg", "-o", tmp_path / "nosuch" / "out.txt")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_a_reader_that_goes_away_is_no_traceback(tiny_model_dir):
    command = f"{sys.executable} -m captioner caption {PHOTOS} --model {tiny_model_dir} | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr and "Error" not in result.stderr


def test_a_file_name_that_is_no_valid_text_comes_back_as_it_is(tiny_model_dir, tmp_path):
    name = b"caf\xe9.png"
    Image.new("RGB", (8, 8)).save(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    command = [sys.executable, "-m", "captioner", "caption", str(tmp_path), "--model", str(tiny_model_dir)]
    assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(name + b"\t")
    record = json.loads(subprocess.run([*command, "-f", "jsonl"], capture_output=True, check=True).stdout)
    assert os.fsencode(record["file_name"]) == name


@pytest.mark.parametrize("command", [["models"], ["caption", str(PHOTOS / "dog.jpg")]], ids=lambda c: c[0])
def test_a_full_disk_behind_stdout_is_one_line(command):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "captioner", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the output cannot be written (No space left on device)\n"
