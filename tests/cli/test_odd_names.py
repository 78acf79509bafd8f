"""What file names say is never obeyed by a terminal, and a pipe names files that exist."""

import os
import pty
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.escaping import unescape_path

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "boats.jpg"
NAMES = ["\x1b[31mred.jpg", "\x1b]0;title\x07.jpg", "a\rb.jpg", "\u202egpj.jpg", "\x9b5m.jpg", "\x08\x7f.jpg"]


def is_obeyed(text, allowed="\n\t"):
    """Whether a control character is left in what a terminal is shown."""
    return any(unicodedata.category(char) == "Cc" and char not in allowed for char in text) or "\u202e" in text


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Files of odd names that are no photos."""
    (tmp_path / "odd").mkdir()
    for name in NAMES:
        (tmp_path / "odd" / name).write_bytes(b"no photo")
    return tmp_path / "odd"


def test_a_pipe_names_files_that_exist(folder):
    result = run("caption", folder, "--dry-run", "--sidecar", "txt")
    rows = [line.split("\t") for line in result.stdout_bytes.decode().split("\n")[:-1]]
    assert sorted(unescape_path(name) for name, _ in rows) == sorted(NAMES)
    assert all(Path(unescape_path(target)).parent == folder for _, target in rows)


def test_failures_are_named_on_one_line_each_and_not_obeyed(folder):
    result = run("caption", folder)
    assert result.exit_code == 1
    assert not is_obeyed(result.stderr)
    assert len([line for line in result.stderr.split("\n") if line.startswith("failed: ")]) == len(NAMES)
    assert "\\x1b[31mred.jpg" in result.stderr and "a\\rb.jpg" in result.stderr


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "arguments",
    [
        ("caption", "NAME"),
        ("caption", "x.jpg", "--model", "./NAME"),
        ("caption", "x.jpg", "--format", "NAME"),
        ("caption", "x.jpg", "--NAME"),
        ("caption", "x.jpg", "-o", "NAME"),
        ("caption", "x.jpg", "--prefix", "NAME\n"),
        ("prepare", "NAME", "out"),
        ("prepare", ".", "out", "--encoder", "NAME"),
        ("score", "NAME", "NAME"),
        ("evaluate", "NAME"),
        ("train", "NAME", "out"),
        ("NAME",),
    ],
    ids=" ".join,
)
def test_no_error_line_obeys_the_name_it_names(tmp_path, monkeypatch, arguments, name):
    monkeypatch.chdir(tmp_path)
    result = run(*(argument.replace("NAME", name) for argument in arguments))
    assert result.exit_code in (1, 2)
    assert not is_obeyed(result.output)


def test_a_report_on_a_dataset_obeys_no_name(folder):
    for name in NAMES:
        (folder / name).with_suffix(".txt").write_text("a \x1b[31mdog\x07\n" * 2)
    (folder / "captionless \x1b[1m.jpg").write_bytes(b"")
    result = run("prepare", folder, "--check-only")
    assert result.exit_code == 1
    assert "\\x1b" in result.stdout and "\\x1b" in result.stderr
    assert not is_obeyed(result.output)


@pytest.mark.parametrize("form", ["text", "jsonl", "csv"])
def test_a_terminal_shows_captions_and_names_without_obeying_them(tmp_path, form):
    names = NAMES[:2]
    for name in names:
        shutil.copy(PHOTO, tmp_path / name)
    shown, terminal = pty.openpty()
    command = [sys.executable, "-m", "captioner", "caption", str(tmp_path), "-f", form, "--progress", "off"]
    done = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE)
    os.close(terminal)
    content = os.read(shown, 100_000).decode()
    os.close(shown)
    assert (done.returncode, is_obeyed(content, "\n\t\r")) == (0, False)
    assert content.count("\\x1b" if form != "jsonl" else "\\u001b") == len(names)
