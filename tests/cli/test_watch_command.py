"""`captioner watch`: what appears is captioned, and nothing twice."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner.cli import main


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def watch(tiny_model_dir, folder):
    """A function that starts watching; whatever was started is ended."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "captioner", "watch", str(folder), *map(str, arguments)]
        command += ["--interval", "0.1", "--model", str(tiny_model_dir)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def save(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 40), colour).save(path)


def wait_for(is_so):
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def end(process):
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said
    return out, said


def test_photos_are_captioned_as_they_appear(watch, folder):
    save(folder / "old.png")
    process = watch("--sidecar", "txt")
    wait_for((folder / "old.txt").exists)
    save(folder / "new" / "deep" / "b.png")
    wait_for((folder / "new" / "deep" / "b.txt").exists)
    out, said = end(process)
    assert [line.split("\t")[0] for line in out.splitlines()] == ["old.png", "new/deep/b.png"]
    assert said.splitlines()[0].startswith("captioned 2, skipped 0, failed 0 in ")


def test_it_goes_on_where_it_was_and_survives_folders_that_vanish(watch, folder, tmp_path):
    output = tmp_path / "out.jsonl"
    save(folder / "a.png")

    def count():
        return output.read_bytes().count(b"\n") if output.exists() else 0

    process = watch("-f", "jsonl", "-o", output)
    wait_for(lambda: count() == 1)
    end(process)
    process = watch("-f", "jsonl", "-o", output)
    save(folder / "b.png")
    wait_for(lambda: count() == 2)
    shutil.rmtree(folder)
    assert process.stderr.readline() == f"{folder} is gone; waiting for it to come back\n"
    save(folder / "c.png")
    wait_for(lambda: count() == 3)
    _, said = end(process)
    assert [json.loads(line)["file_name"] for line in output.read_text().splitlines()] == ["a.png", "b.png", "c.png"]
    assert said.startswith(f"{folder} is back\n")


def test_a_broken_photo_is_named_and_taken_when_it_is_whole(watch, folder):
    save(folder / "whole.png")
    content = (folder / "whole.png").read_bytes()
    (folder / "a.png").write_bytes(content[:60])
    process = watch("--sidecar", "txt")
    wait_for((folder / "whole.txt").exists)
    (folder / "a.png").write_bytes(content)
    wait_for((folder / "a.txt").exists)
    _, said = end(process)
    assert any(line.startswith(f"failed: {folder}/a.png: broken or cut short") for line in said.splitlines())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["nowhere"], 1, "Error: nowhere: no such folder\n"),
        ([".", "--interval", "0"], 2, "Error: --interval must be above 0, not 0\n"),
        ([], 2, "Missing argument 'DIR...'"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit_code(arguments, exit_code, message):
    result = CliRunner().invoke(main, ["watch", *arguments])
    assert result.exit_code == exit_code and message in result.stderr
