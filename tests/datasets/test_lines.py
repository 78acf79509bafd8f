import codecs
import tracemalloc

import pytest

from captioner.datasets import Problem, lines
from captioner.datasets.lines import read_lines, whole_lines
from captioner.errors import DatasetError

TEXT = "a dog\n개가 뛴다\n\nlast"


def read(path):
    problems = []
    return list(read_lines(path, problems)), problems


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_lines_are_read_whatever_their_ends_and_their_mark(tmp_path, end, mark, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(mark + TEXT.replace("\n", end).encode(encoding))
    assert read(path) == ([(1, "a dog"), (2, "개가 뛴다"), (4, "last")], [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_does_not_say_so_is_refused(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(DatasetError, match=r"a.txt: looks like UTF-16 without a byte-order mark; save it as UTF-8"):
        read(path)


def test_utf_16_that_is_broken_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode("utf-16")[:-1])
    with pytest.raises(DatasetError, match=r"a.txt: not UTF-16 as its byte-order mark says; save it as UTF-8"):
        read(path)


def test_a_line_in_another_encoding_is_named_and_the_others_are_read(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("good\ncafé\nfine\n".encode("latin-1"))
    assert read(path) == ([(1, "good"), (3, "fine")], [Problem("broken line", f"{path}, line 2", "not UTF-8 text")])


def test_only_line_ends_end_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\x0bc\x85d\n\0\0".encode())
    assert read(path) == ([(1, "a\u2028b\x0bc\x85d")], [])
    assert list(whole_lines(path, [])) == [(1, "a\u2028b\x0bc\x85d\n"), (2, "\0\0")]


def test_a_line_that_is_too_long_is_named_and_the_others_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 10)
    path = tmp_path / "a.txt"
    path.write_text("123456789\n" + "x" * 10 + "\n" + "y" * 35 + "\nlast\n")
    expected = [Problem("broken line", f"{path}, line {n}", "longer than 10 characters") for n in (2, 3)]
    assert read(path) == ([(1, "123456789"), (4, "last")], expected)


def test_an_endless_line_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(50_000_000)
        file.seek(0, 2)
        file.write(b"\nlast\n")
    tracemalloc.start()
    found, problems = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [(2, "last")]
    assert problems == [Problem("broken line", f"{path}, line 1", "longer than 4,194,304 characters")]
    assert peak < 25_000_000


def test_what_cannot_be_read_is_one_plain_error(tmp_path):
    with pytest.raises(DatasetError, match=r"gone.txt: No such file or directory"):
        read(tmp_path / "gone.txt")
    with pytest.raises(DatasetError, match="Is a directory"):
        read(tmp_path)


def test_an_empty_file_has_no_lines(tmp_path):
    (tmp_path / "a.txt").touch()
    assert read(tmp_path / "a.txt") == ([], [])
