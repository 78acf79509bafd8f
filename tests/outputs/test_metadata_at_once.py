"""One photo written by two processes at the same time."""

import subprocess
import sys

from PIL import Image

from captioner.outputs.metadata import read_captions, read_xmp_sidecar

WRITE = """
import os, sys, time
from dataclasses import replace
from captioner.inference import Caption
from captioner.options import OutputOptions, ShapeOptions
from captioner.outputs import open_outputs
from captioner.photos import Photo

kind, value, *paths = sys.argv[1:]
(output,) = open_outputs(OutputOptions(**{kind: value}), ShapeOptions(), sys.stdout)
print("ready", flush=True)
sys.stdin.readline()
for path in paths:
    output.write(Photo(path, path), Caption(f"{value} of {os.path.basename(path)}", -1.0, 0.5, "m"))
"""


def write_at_once(paths, *outputs):
    """Processes that write into each photo, each to an output of its own; all have begun before the first writes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", WRITE]
    writing = [subprocess.Popen([*command, *output, *map(str, paths)], **pipes) for output in outputs]
    for process in writing:
        assert process.stdout.readline() == "ready\n"
    for process in writing:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait() for process in writing] == [0] * len(writing)
    for process in writing:
        process.communicate()


def photos_in(folder):
    paths = [folder / f"{number:02}.jpg" for number in range(30)]
    for path in paths:
        Image.new("RGB", (16, 16)).save(path)
    return paths


def test_alt_texts_by_one_process_and_descriptions_by_another_are_all_there(tmp_path):
    paths = photos_in(tmp_path)
    write_at_once(paths, ("write_metadata", "alt"), ("write_metadata", "description"))
    for path in paths:
        found = read_captions(path)
        assert found["alt"].text == f"alt of {path.name}" and found["description"].text == f"description of {path.name}"
    assert len(list(tmp_path.iterdir())) == len(paths)


def test_sidecars_by_two_processes_are_whole(tmp_path):
    paths = photos_in(tmp_path)
    write_at_once(paths, ("sidecar", "xmp"), ("sidecar", "xmp"))
    for path in paths:
        assert read_xmp_sidecar(f"{path}.xmp")["description"].text == f"xmp of {path.name}"
    assert len(list(tmp_path.iterdir())) == 2 * len(paths)
