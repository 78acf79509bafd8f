"""A file of records that is gone on with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.options import ShapeOptions
from captioner.outputs.forms import FORMS, JsonLines, Text
from captioner.outputs.streams import RecordFile
from captioner.photos import Photo

DOG = Caption("a dog runs", -4.0, 0.6, "m")
CAT = Caption("a cat sleeps", -5.0, 0.25, "m")
TWO = Caption("a dog runs", -4.0, 0.6, "m", (DOG, CAT))
ERROR = ImageError("no such file")


def photo(name):
    return Photo(name, name)


def record_file(path, form=None, goes_on=True, rows_a_photo=1):
    return RecordFile(path, form or JsonLines(), goes_on, ShapeOptions(), rows_a_photo)


def run(path, results, form=None, **kwargs):
    """Writes what is not there yet; the names that were written."""
    output = record_file(path, form, **kwargs)
    try:
        missing = {name: result for name, result in results.items() if not output.is_settled(photo(name), anew=False)}
        output.begin(missing)
        for name, result in missing.items():
            write = output.write_error if isinstance(result, ImageError) else output.write
            write(photo(name), result)
        return list(missing)
    finally:
        output.close()


def whole(path, results, form=None):
    run(path, results, form)
    return path.read_bytes()


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]()


def test_a_second_run_writes_only_what_is_missing(tmp_path, form):
    assert run(tmp_path / "out", {"a": DOG, "b": CAT}, form) == ["a", "b"]
    assert run(tmp_path / "out", {"b": CAT, "c": DOG}, form) == ["c"]
    assert (tmp_path / "out").read_bytes() == whole(tmp_path / "once", {"a": DOG, "b": CAT, "c": DOG}, form)


def test_wherever_a_run_was_killed_the_next_one_ends_with_the_same_file(tmp_path, form):
    results = {"a": DOG, "b\n,c": CAT, os.fsdecode(b"\xe9"): DOG}
    content = whole(tmp_path / "once", results, form)
    # before its first tab, the beginning of a text might be anybody's
    for length in range(content.index(b"\t") + 1 if isinstance(form, Text) else 0, len(content)):
        (tmp_path / "out").write_bytes(content[:length])
        run(tmp_path / "out", results, form)
        assert (tmp_path / "out").read_bytes() == content


def test_of_candidates_that_broke_off_none_stays(tmp_path):
    form = FORMS["text"]()
    content = whole(tmp_path / "once", {"a": TWO, "b": TWO}, form)
    (tmp_path / "out").write_bytes(b"".join(content.splitlines(keepends=True)[:3]))
    assert run(tmp_path / "out", {"a": TWO, "b": TWO}, form, rows_a_photo=2) == ["b"]
    assert (tmp_path / "out").read_bytes() == content


def test_an_error_is_tried_again_and_replaced_by_success(tmp_path):
    path = tmp_path / "out"
    run(path, {"a": ERROR, "b": DOG, "c": ERROR, "d": ERROR})
    assert run(path, {"a": CAT, "b": DOG, "d": ERROR}) == ["a", "d"]
    lines = path.read_text().splitlines()
    assert [line.split('"')[3] for line in lines] == ["b", "c", "a", "d"]
    assert ["error" in line for line in lines] == [False, True, False, True]


def test_a_photo_that_has_its_record_gets_no_error_beside_it(tmp_path):
    run(tmp_path / "out", {"a": DOG})
    output = record_file(tmp_path / "out")
    output.begin(["a"])
    output.write_error(photo("a"), ERROR)
    output.close()
    assert len((tmp_path / "out").read_text().splitlines()) == 1


def test_written_anew_nothing_is_touched_before_the_first_caption(tmp_path):
    path = tmp_path / "out"
    run(path, {"a": DOG})
    output = record_file(path, goes_on=False)
    assert not output.is_settled(photo("a"), anew=False)
    assert len(path.read_text().splitlines()) == 1
    output.begin([])
    assert path.read_text() == ""
    output.close()


def test_a_file_of_something_else_is_refused_and_stays(tmp_path, form):
    path = tmp_path / "notes"
    path.write_text("dear diary\n")
    with pytest.raises(CaptionerError, match=f"^{path}: line 1.* is no record of a caption; give another file$"):
        record_file(path, form)
    assert path.read_text() == "dear diary\n"


def test_only_one_process_writes_a_file(tmp_path):
    path = tmp_path / "out"
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/outputs'); from test_record_file import *\n"
        "output = record_file(Path(sys.argv[1])); output.begin([]); print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(CaptionerError, match=f"^{path}: (process {other.pid}|another process) is writing it$"):
            record_file(path)
    finally:
        other.communicate()
    assert run(path, {"a": DOG}) == ["a"]


def test_what_another_process_wrote_since_the_file_was_not_there_yet_stays(tmp_path, form):
    path = tmp_path / "out"
    output = record_file(path, form)
    content = whole(path, {"a": DOG}, form)
    with pytest.raises(
        CaptionerError, match=f"^{path}: another process has written it meanwhile; run the command again$"
    ):
        output.begin(["b"])
    output.close()
    assert path.read_bytes() == content
    assert run(path, {"a": DOG, "b": CAT}, form) == ["b"]


def test_a_file_is_locked_all_the_time_while_errors_are_taken_out_of_it(tmp_path, monkeypatch):
    path, replace, met = tmp_path / "out", os.replace, []
    run(path, {"a": ERROR, "b": DOG})

    def replaced(source, target):
        replace(source, target)
        with pytest.raises(CaptionerError, match="is writing it") as caught:
            record_file(path)
        met.append(caught.value)

    monkeypatch.setattr(os, "replace", replaced)
    assert run(path, {"a": CAT, "b": DOG}) == ["a"] and len(met) == 1
    monkeypatch.undo()
    assert run(path, {"a": CAT, "b": DOG, "c": DOG}) == ["c"] and path.read_text().count("\n") == 3


def test_a_file_that_cannot_be_written_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=f"^{tmp_path}/no/out: cannot be written "):
        run(tmp_path / "no" / "out", {"a": DOG})
    with pytest.raises(CaptionerError, match=f"^{tmp_path}: cannot be written "):
        run(tmp_path, {"a": DOG})


def test_a_full_disk_is_one_plain_error():
    with pytest.raises(CaptionerError, match=r"^/dev/full: cannot be written \(No space left on device\)$"):
        run(Path("/dev/full"), {"a": DOG})


def test_on_a_disk_that_is_filling_what_was_written_stays_whole(tmp_path, monkeypatch):
    path = tmp_path / "out"
    output = record_file(path)
    output.begin([])
    output.write(photo("a"), DOG)
    before, write = path.read_bytes(), os.write

    def half_a_write(file, content):
        monkeypatch.setattr(os, "write", no_write)
        return write(file, content[: len(content) // 2])

    def no_write(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_a_write)
    with pytest.raises(CaptionerError, match="No space left"):
        output.write(photo("b"), DOG)
    monkeypatch.undo()
    assert path.read_bytes() == before
    output.close()


def test_a_pipe_is_written_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    run(tmp_path / "pipe", {"a": DOG}, FORMS["text"]())
    assert reader.communicate()[0] == b"a\ta dog runs\n"


def test_every_record_is_in_the_file_before_the_next_is_made(tmp_path, form):
    output = record_file(tmp_path / "out", form)
    output.begin([])
    output.write(photo("a"), DOG)
    assert "a dog runs" in (tmp_path / "out").read_text()
    output.close()
