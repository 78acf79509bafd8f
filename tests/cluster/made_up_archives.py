"""Folders, tars and tables of photos, some of them broken."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from click.testing import CliRunner

from captioner.cli import main
from captioner.datasets.drawings import write_drawings

PHOTOS = sorted((Path(__file__).parents[2] / "data" / "photos").glob("*.jpg"))


def write_folder(folder, count):
    """So many photos under the names of `count` numbers, and two broken ones."""
    (folder / "deep").mkdir(parents=True)
    for number in range(count):
        shutil.copy(PHOTOS[number % len(PHOTOS)], folder / ("deep" if number % 3 == 0 else ".") / f"{number:04}.jpg")
    (folder / "0001b.jpg").write_bytes(b"no photo")
    (folder / "deep" / "empty.png").touch()
    (folder / ".hidden.jpg").write_bytes(b"nobody looks at it")
    return folder


def write_tar(path, count=3):
    """As WebDataset has them: a.jpg beside a.txt."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            for name, content in ((f"{number}.jpg", PHOTOS[number].read_bytes()), (f"{number}.txt", b"a caption")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def write_table(path, columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def write_drawings_one_broken(folder):
    """18 drawings with their captions."""
    write_drawings(folder, 12, 3, 3)
    broken = sorted(folder.rglob("*.png"))[4]
    broken.write_bytes(broken.read_bytes()[:100])
    return folder


def prepare(source, output, *options):
    return CliRunner().invoke(main, ["prepare", str(source), str(output), "--min-count", "1", *options])


def cache_of(folder):
    """`(integers, the text of their index)` of a prepared dataset; integers: (rows, regions, depth) int8."""
    (cache,) = (folder / "features").iterdir()
    told = json.loads((cache / "cache.json").read_text())
    assert told["dtype"] == "int8"
    rows = np.fromfile(cache / "rows.bin", np.int8).reshape(-1, told["num_regions"], told["depth"])
    return rows, (cache / "index.jsonl").read_text()
