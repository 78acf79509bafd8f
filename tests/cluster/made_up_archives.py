"""Folders, tars and tables of photos, some of them broken."""

import io
import shutil
import tarfile
from pathlib import Path

import pyarrow
import pyarrow.parquet

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
