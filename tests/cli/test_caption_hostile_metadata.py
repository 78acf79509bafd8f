"""`--write-metadata` over photos whose metadata are out of the ordinary, or broken: what is said, and what goes on."""

import os
import struct

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner.cli import main
from captioner.outputs.metadata import read_captions, write_captions
from captioner.outputs.metadata.jpeg import EXIF, XMP
from captioner.outputs.metadata.xmp import META


def segment(content):
    return struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content


SEGMENTS = {
    "utf-16.jpg": XMP + META.decode().encode("utf-16-be"),
    "full.jpg": EXIF + b"II*\0\x08\0\0\0".ljust(65526, b"\0"),
    "broken.jpg": XMP + META[:-30].decode().encode("utf-16-be"),
    "deep.jpg": XMP + b"<a>" * 20_000,
}


@pytest.fixture
def folder(tmp_path):
    """Two photos that a person described, four with odd segments, one that is none, and one with another name."""
    for name in (*SEGMENTS, "plain.jpg", "mine.jpg"):
        Image.new("RGB", (48, 36), "olive").save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        if name in SEGMENTS:
            (tmp_path / name).write_bytes(data[:2] + segment(SEGMENTS[name]) + data[2:])
    write_captions(tmp_path / "mine.jpg", {"alt": "mine", "description": "mine, too"})
    data = (tmp_path / "mine.jpg").read_bytes()
    (tmp_path / "mine.jpg").write_bytes(data.replace(b"tag:captioner,2026:xmp/", b"tag:somebodyx,2026:xmp/"))
    (tmp_path / "text.jpg").write_text("no photo")
    os.link(tmp_path / "plain.jpg", tmp_path / "backup")
    return tmp_path


def test_every_photo_has_its_caption_or_is_named_and_what_was_kept_is_said(folder):
    command = ["caption", str(folder), "--write-metadata", "both", "-m", "flickr8k"]
    planned = CliRunner().invoke(main, [*command, "--dry-run"])
    result = CliRunner().invoke(main, command)
    assert planned.exit_code == result.exit_code == 1
    assert "would caption 3, skip 1, fail 3" in planned.stderr and "captioned 3, skipped 1, failed 3" in result.stderr
    kept = "kept: 1 alt text and 1 description that a person wrote"
    assert kept in planned.stderr.splitlines() and kept in result.stderr.splitlines()
    assert "in XMP only: 1 description, as EXIF has no room" in result.stderr
    assert "hard links: 1 photo had further names" in result.stderr
    last = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert result.stderr.splitlines()[-3:] == last
    assert sorted(line.split(": ")[1] for line in last) == [
        str(folder / f"{n}.jpg") for n in ("broken", "deep", "text")
    ]
    assert f"failed: {folder}/text.jpg: not an image of a known format" in last
    for name in ("utf-16.jpg", "full.jpg", "plain.jpg"):
        assert read_captions(folder / name).alt.is_ours and read_captions(folder / name).description.is_ours
