"""A small encoder and a maker of photo folders."""

import json
import os
from threading import Lock
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.options import PrepareOptions


class FakeEncoder:
    """The mean colour of each quarter of the photo. `seen` counts photos; after `fail_after` it breaks off."""

    key, image_size, num_regions, depth, quantization = "fake-0123", 8, 4, 3, None

    def __init__(self, fail_after=None):
        self.seen, self.fail_after, self._lock = 0, fail_after, Lock()

    def encode(self, images):
        with self._lock:  # it is called from several threads
            if self.fail_after is not None and self.seen + len(images) > self.fail_after:
                raise KeyboardInterrupt
            self.seen += len(images)
        assert images.shape[1:] == (8, 8, 3) and images.dtype == np.uint8
        return images.reshape(-1, 2, 4, 2, 4, 3).mean((2, 4)).reshape(-1, 4, 3) / 255


@pytest.fixture
def fake_encoder():
    return FakeEncoder


@pytest.fixture
def make_photos():
    """A function `(folder, names, first=0) -> None`; colours are counted from `first`, no two names give one photo."""

    def made(folder, names, first=0):
        for number, name in enumerate(names, first):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            photo = Image.new("RGB", (12, 9), (number % 256, 255 - number % 256, 7 * number % 256))
            photo.putpixel((0, 0), tuple(crc32(os.fsencode(name)).to_bytes(4)[:3]))
            photo.save(path)

    return made


@pytest.fixture
def make_sidecars(make_photos):
    """A function `(folder, names, text=..., first=0) -> folder` of photos with a caption each."""

    def made(folder, names, text="a dog runs\n", first=0):
        make_photos(folder, names, first)
        for name in names:
            (folder / name).with_suffix(".txt").write_text(text, encoding="utf-8")
        return folder

    return made


@pytest.fixture
def prepare_folder():
    """A function `(source, output_dir, encoder, **options) -> Dataset`."""

    def prepared(source, output_dir, encoder, report=lambda done, total: None, threads=2, **options):
        named = NamedSource(source.stem, source, *read_annotations(source))
        options = PrepareOptions(**({"min_count": 1} | options))
        return prepare([named], output_dir, options, lambda photos: encoder, threads, report)

    return prepared


@pytest.fixture(scope="session")
def fill():
    """A function `(folder, files) -> folder` that writes files: text, bytes, or what becomes JSON, by name."""

    def filled(folder, files):
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return filled


@pytest.fixture(scope="session")
def read_as():
    """A function `(format name, source, ...) -> Annotations` that lets `auto` find the format."""

    def read(expected, source, *arguments, **options):
        found, annotations = read_annotations(source, "auto", *arguments, **options)
        assert found == expected
        return annotations

    return read
