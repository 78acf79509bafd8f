"""Captions as Parquet: the records of JSON Lines, written whole or not at all."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.options import ShapeOptions
from captioner.outputs.forms import error_record, success_record
from captioner.outputs.tables import ParquetFile, parquet_bytes, read_records
from captioner.photos import Photo

DOG = Caption("a dog runs", -4.0, 0.6, "m")
CAT = replace(DOG, text="고양이", candidates=(replace(DOG, text="고양이"), DOG))
PHOTOS_DIR = Path(__file__).parents[2] / "data" / "photos"


def photo(name):
    return Photo(name, name)


def written(path, *results, goes_on=True):
    output = ParquetFile(path, goes_on, ShapeOptions())
    output.begin(())
    for name, result in results:
        write = output.write if isinstance(result, Caption) else output.write_error
        write(photo(name), result)
    output.close()
    return read_records(path)


def test_records_come_back_as_they_were(tmp_path):
    error = ImageError("b.jpg: broken")
    records = written(tmp_path / "a.parquet", ("a.jpg", DOG), ("b.jpg", error), ("한.jpg", CAT))
    expected = [success_record("a.jpg", DOG), error_record("b.jpg", error), success_record("한.jpg", CAT)]
    assert records == expected


def test_columns_are_the_same_whatever_the_records_hold(tmp_path):
    written(tmp_path / "a.parquet", ("a.jpg", DOG))
    names = ["file_name", "text", "log_prob", "confidence", "model", "low_confidence", "candidates", "error"]
    assert pyarrow.parquet.read_schema(tmp_path / "a.parquet").names == names


def test_what_is_there_is_gone_on_with_and_an_error_replaced_by_success(tmp_path):
    path = tmp_path / "a.parquet"
    written(path, ("a.jpg", DOG), ("b.jpg", ImageError("b.jpg: broken")))
    output = ParquetFile(path, True, ShapeOptions())
    assert output.is_settled(photo("a.jpg"), anew=False) and not output.is_settled(photo("a.jpg"), anew=True)
    assert not output.is_settled(photo("b.jpg"), anew=False)
    output.close()
    records = written(path, ("b.jpg", CAT), ("c.jpg", DOG))
    assert [record["file_name"] for record in records] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [record["text"] for record in records] == ["a dog runs", "고양이", "a dog runs"]
    assert [record["file_name"] for record in written(path, ("z.jpg", DOG), goes_on=False)] == ["z.jpg"]


def test_a_file_that_holds_something_else_is_left_alone(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text("mine")
    with pytest.raises(CaptionerError, match=r"a\.parquet: no Parquet file that can be read"):
        ParquetFile(path, True, ShapeOptions())
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), path)
    with pytest.raises(CaptionerError, match=r"a\.parquet: holds no records of captions"):
        ParquetFile(path, True, ShapeOptions())


def test_a_name_that_is_no_valid_text_is_spelt_out(tmp_path):
    name = b"\xff.jpg".decode("utf-8", "surrogateescape")
    (record,) = written(tmp_path / "a.parquet", (name, DOG))
    assert record["file_name"] == "\\udcff.jpg"
    output = ParquetFile(tmp_path / "a.parquet", True, ShapeOptions())
    assert output.is_settled(photo(name), anew=False)
    output.close()


def test_a_second_writer_is_refused_and_none_of_the_first_s_records_is_lost(tmp_path):
    (tmp_path / "link.parquet").symlink_to(tmp_path / "a.parquet")
    first = ParquetFile(tmp_path / "a.parquet", True, ShapeOptions())
    for goes_on in (True, False):
        for name in ("a.parquet", "link.parquet"):
            with pytest.raises(CaptionerError, match=rf"{name}: process {os.getpid()} on .* is writing it$"):
                ParquetFile(tmp_path / name, goes_on, ShapeOptions())
    first.begin(())
    first.write(photo("a.jpg"), DOG)
    first.close()
    records = written(tmp_path / "link.parquet", ("b.jpg", CAT))
    assert [record["file_name"] for record in records] == ["a.jpg", "b.jpg"]
    assert sorted(os.listdir(tmp_path)) == ["a.parquet", "link.parquet"]


def test_what_is_refused_or_never_begun_is_left_to_the_next(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text("mine")
    for _ in range(2):
        with pytest.raises(CaptionerError, match="no Parquet file that can be read"):
            ParquetFile(path, True, ShapeOptions())
    assert os.listdir(tmp_path) == ["a.parquet"]
    path.unlink()
    ParquetFile(path, True, ShapeOptions()).close()
    assert os.listdir(tmp_path) == []
    assert len(written(path, ("a.jpg", DOG))) == 1


DIE = """
import os, signal, sys
from pathlib import Path
from captioner.options import ShapeOptions
from captioner.outputs.tables import ParquetFile
ParquetFile(Path(sys.argv[1]), True, ShapeOptions()).begin(())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_is_killed_stands_in_nobody_s_way(tmp_path):
    path = tmp_path / "a.parquet"
    written(path, ("a.jpg", DOG))
    subprocess.run([sys.executable, "-c", DIE, str(path)], check=False)
    assert len(written(path, ("b.jpg", CAT))) == 2 and os.listdir(tmp_path) == ["a.parquet"]


def test_the_command_writes_what_json_lines_has(tmp_path):
    for name, suffix in (("parquet", "parquet"), ("jsonl", "jsonl")):
        arguments = ["caption", str(PHOTOS_DIR), "-f", name, "-o", str(tmp_path / f"a.{suffix}")]
        assert CliRunner().invoke(main, arguments).exit_code == 0
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert read_records(tmp_path / "a.parquet") == [json.loads(line) for line in lines]
    again = CliRunner().invoke(main, ["caption", str(PHOTOS_DIR), "-f", "parquet", "-o", str(tmp_path / "a.parquet")])
    assert again.exit_code == 0 and "captioned 0, skipped 11, failed 0" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "a.jpg", "-f", "parquet"], "--format parquet goes with --output FILE"),
        (
            ["watch", ".", "-f", "parquet", "-o", "a.parquet"],
            "--format parquet is written whole at the end, and watching has none; give jsonl or csv",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(arguments, message):
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


def test_without_pyarrow_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CaptionerError, match=r"Parquet needs pyarrow: pip install 'captioner\[parquet\]'"):
        ParquetFile(tmp_path / "a.parquet", True, ShapeOptions())


def test_a_whole_file_is_bytes():
    assert parquet_bytes([]).startswith(b"PAR1")
