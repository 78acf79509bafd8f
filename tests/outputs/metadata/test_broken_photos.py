"""Photos that are cut short or garbled: a clean result whose pixels are as before, or one plain error."""

import os
import random

import pytest
from photo_files import FILES, frames

from captioner.errors import CaptionerError, ImageError
from captioner.outputs.metadata import photos, read_captions, write_captions

OLD = {"alt": "a dog", "description": "a dog runs over the grass"}
NEW = {"alt": "another dog", "description": "a dog stands still"}


@pytest.fixture
def captioned(photo, monkeypatch):
    """A photo with XMP and EXIF to be broken, on a disk that need not be waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    write_captions(photo, OLD)
    return photo


def check_broken(path, data):
    """Whether the photo could be written."""
    path.write_bytes(data)
    try:
        write_captions(path, NEW, replace_human=True)
    except CaptionerError as error:
        assert isinstance(error, ImageError) and str(error).startswith(f"{path}: ") and "\n" not in str(error)
        assert path.read_bytes() == data
        return False
    before = frames(data)
    assert before is None or frames(path.read_bytes()) == before
    read_captions(path)
    return True


def test_photos_that_are_cut_short(captioned):
    data = captioned.read_bytes()
    for size in range(0, len(data), max(1, len(data) // 40)):
        check_broken(captioned, data[:size])
    assert check_broken(captioned, data)


@pytest.mark.parametrize("num_bytes", [1, 4])
def test_photos_with_garbled_bytes(captioned, num_bytes):
    data = captioned.read_bytes()
    chance = random.Random(7)
    for _ in range(25):
        garbled = bytearray(data)
        for _ in range(num_bytes):
            garbled[chance.randrange(len(data))] = chance.randrange(256)
        check_broken(captioned, bytes(garbled))


def test_photos_with_garbled_structure(captioned):
    """Where most of the structure is: in the first and the last bytes."""
    data = captioned.read_bytes()
    chance = random.Random(8)
    for number in range(40):
        garbled = bytearray(data)
        place = chance.randrange(4, 200)
        garbled[place if number % 2 else -place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        check_broken(captioned, bytes(garbled))


@pytest.mark.parametrize("name", FILES)
def test_garbage_behind_a_signature(name, tmp_path, photo_bytes):
    chance = random.Random(9)
    for size in (0, 1, 7, 40, 300):
        check_broken(tmp_path / name, photo_bytes[name][:16] + chance.randbytes(size))
        check_broken(tmp_path / name, photo_bytes[name][:8] + chance.randbytes(size))
        check_broken(tmp_path / name, photo_bytes[name][:4] + bytes(size))


@pytest.mark.parametrize("ending", [b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<x:xmpmeta>", b"\xff\xfe<\0a\0"])
@pytest.mark.parametrize("name", ["bare.jpg", "bare.png", "lossy.webp", "tiles.tif"])
def test_broken_xmp_is_one_plain_error_that_names_the_file(name, ending, tmp_path, photo_bytes, monkeypatch):
    path = tmp_path / name
    path.write_bytes(photo_bytes[name])
    with monkeypatch.context() as patch:
        patch.setattr(photos, "with_captions", lambda packet, texts: ending)
        write_captions(path, OLD)
    broken = path.read_bytes()
    for call in (read_captions, lambda path: write_captions(path, NEW)):
        with pytest.raises(ImageError, match=rf"^{path}: .*XMP[^\n]*$"):
            call(path)
    assert path.read_bytes() == broken
