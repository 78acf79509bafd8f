import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from captioner.errors import CaptionerError, ImageError, OptionsError
from captioner.inference import Caption
from captioner.outputs import WRITERS, open_writer
from captioner.outputs.writers import error_record, escape_path, success_record

DOG = Caption("a dog runs", -4.1234567, 0.6, "flickr8k")
CAT = Caption("a cat sleeps", -5.0, 0.25, "flickr8k")
TWO = Caption("a dog runs", -4.1234567, 0.6, "flickr8k", (DOG, CAT))
KOREAN = Caption('개가 "뛴다", 멍멍', -1.0, 0.9, "mine")
ERROR = ImageError("b.jpg: no such file")
ODD_NAME = "a\tb\\c\nd\re.jpg"
NO_TEXT = os.fsdecode(b"caf\xe9.jpg")


def written(format_name, *captions, bare=False):
    stream = io.StringIO()
    with open_writer(format_name, None, stream, bare) as writer:
        for file_name, caption in captions:
            if isinstance(caption, CaptionerError):
                writer.write_error(file_name, caption)
            else:
                writer.write(file_name, caption)
    return stream.getvalue()


# text


def test_text_for_one_photo_is_the_bare_caption():
    assert written("text", ("a.jpg", DOG), bare=True) == "a dog runs\n"


def test_text_for_several_photos_is_path_tab_caption():
    assert written("text", ("a.jpg", DOG), ("x/b.jpg", KOREAN)) == 'a.jpg\ta dog runs\nx/b.jpg\t개가 "뛴다", 멍멍\n'


def test_text_gives_every_candidate_a_line():
    assert written("text", ("a.jpg", TWO)) == "a.jpg\ta dog runs\na.jpg\ta cat sleeps\n"
    assert written("text", ("a.jpg", TWO), bare=True) == "a dog runs\na cat sleeps\n"


def test_text_keeps_every_record_on_one_line_in_two_columns():
    assert written("text", (ODD_NAME, DOG)) == "a\\tb\\\\c\\nd\\re.jpg\ta dog runs\n"


def test_escaped_paths_differ_wherever_paths_differ():
    names = ["a\tb", "a\\tb", "a\\\tb", "a\\\\tb", "a\nb", "a\\nb", "a\rb", "a\\rb"]
    assert len({escape_path(name) for name in names}) == len(names)
    assert escape_path("사진/plain name.jpg") == "사진/plain name.jpg"


def test_text_has_no_place_for_errors():
    assert written("text", ("b.jpg", ERROR), ("a.jpg", DOG)) == "a.jpg\ta dog runs\n"


# JSON Lines


def test_json_lines_hold_the_record_and_nothing_else():
    assert written("jsonl", ("a.jpg", DOG)) == (
        '{"file_name": "a.jpg", "text": "a dog runs", "log_prob": -4.123457, "confidence": 0.6, "model": "flickr8k"}\n'
    )


def test_json_lines_are_the_same_for_one_photo_and_for_many():
    assert written("jsonl", ("a.jpg", DOG), bare=True) == written("jsonl", ("a.jpg", DOG))


def test_json_lines_list_candidates_with_their_scores():
    record = json.loads(written("jsonl", ("a.jpg", TWO)))
    assert record["text"] == "a dog runs"
    assert record["candidates"] == [
        {"text": "a dog runs", "log_prob": -4.123457, "confidence": 0.6},
        {"text": "a cat sleeps", "log_prob": -5.0, "confidence": 0.25},
    ]


def test_json_lines_name_errors_in_their_place():
    lines = written("jsonl", ("a.jpg", DOG), ("b.jpg", ERROR), ("c.jpg", CAT)).splitlines()
    assert [json.loads(line)["file_name"] for line in lines] == ["a.jpg", "b.jpg", "c.jpg"]
    assert lines[1] == '{"file_name": "b.jpg", "error": {"type": "ImageError", "message": "b.jpg: no such file"}}'


def test_json_lines_show_every_script_and_keep_every_name():
    line = written("jsonl", ("사진.jpg", KOREAN))
    assert "사진.jpg" in line and "멍멍" in line
    for name in (ODD_NAME, NO_TEXT, "line\u2028end.jpg", '"quoted".jpg'):
        line = written("jsonl", (name, DOG))
        assert line.count("\n") == 1 and json.loads(line)["file_name"] == name


def test_json_lines_are_valid_utf_8_whatever_the_name():
    assert "caf\\udce9.jpg" in written("jsonl", (NO_TEXT, DOG)).encode().decode()


# CSV


def test_csv_begins_with_the_names_of_its_columns():
    assert written("csv") == "file_name,text,log_prob,confidence,model\n"
    assert written("csv", ("a.jpg", DOG)).splitlines()[1] == "a.jpg,a dog runs,-4.123457,0.6,flickr8k"


def test_csv_gives_every_candidate_a_row_and_has_no_place_for_errors():
    rows = list(csv.DictReader(io.StringIO(written("csv", ("a.jpg", TWO), ("b.jpg", ERROR)))))
    assert [(row["file_name"], row["text"]) for row in rows] == [("a.jpg", "a dog runs"), ("a.jpg", "a cat sleeps")]


def test_csv_gives_back_names_and_captions_as_they_were():
    odd = Caption('says "no", twice', -1.0, 0.5, "m")
    (row,) = csv.DictReader(io.StringIO(written("csv", ('a,\n"b".jpg', odd)), newline=""))
    assert (row["file_name"], row["text"]) == ('a,\n"b".jpg', 'says "no", twice')


# where they go


def test_records_hold_what_the_contract_names():
    assert list(success_record("a.jpg", DOG)) == ["file_name", "text", "log_prob", "confidence", "model"]
    assert list(success_record("a.jpg", TWO)) == [*success_record("a.jpg", DOG), "candidates"]
    assert error_record("a.jpg", ERROR) == {
        "file_name": "a.jpg",
        "error": {"type": "ImageError", "message": "b.jpg: no such file"},
    }


@pytest.mark.parametrize("format_name", WRITERS)
def test_a_file_holds_exactly_what_stdout_would(format_name, tmp_path):
    captions = [(ODD_NAME, TWO), ("사진.jpg", KOREAN)]
    with open_writer(format_name, tmp_path / "out", io.StringIO(), bare=False) as writer:
        for file_name, caption in captions:
            writer.write(file_name, caption)
    assert (tmp_path / "out").read_bytes() == written(format_name, *captions).encode()


@pytest.mark.parametrize("format_name", WRITERS)
def test_every_record_is_in_the_file_before_the_next_is_made(format_name, tmp_path):
    with open_writer(format_name, tmp_path / "out", io.StringIO(), bare=False) as writer:
        writer.write("a.jpg", DOG)
        assert "a dog runs" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("format_name", WRITERS)
def test_an_interrupted_run_keeps_what_it_wrote(format_name, tmp_path):
    with pytest.raises(KeyboardInterrupt), open_writer(format_name, tmp_path / "out", io.StringIO(), False) as writer:
        writer.write("a.jpg", DOG)
        raise KeyboardInterrupt
    assert (tmp_path / "out").read_text().splitlines()[-1].count("a dog runs") == 1


@pytest.mark.parametrize("format_name", ["text", "csv"])
def test_a_name_that_is_no_valid_text_goes_into_the_file_as_its_bytes(format_name, tmp_path):
    with open_writer(format_name, tmp_path / "out", io.StringIO(), bare=False) as writer:
        writer.write(NO_TEXT, DOG)
    assert b"caf\xe9.jpg" in (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("format_name", WRITERS)
def test_a_name_that_is_no_valid_text_does_not_break_stdout(format_name):
    program = (
        "import os, sys\n"
        "from captioner.inference import Caption\n"
        "from captioner.outputs import open_writer\n"
        f"with open_writer({format_name!r}, None, sys.stdout, False) as writer:\n"
        "    writer.write(os.fsdecode(b'caf\\xe9.jpg'), Caption('a dog', -1.0, 0.5, 'm'))\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"caf\\udce9.jpg" if format_name == "jsonl" else b"caf\xe9.jpg") in done.stdout


def test_a_file_that_cannot_be_written_is_one_plain_error(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "out"):
        with (
            pytest.raises(CaptionerError, match=f"^{path}: cannot be written "),
            open_writer("text", path, io.StringIO(), bare=False),
        ):
            pytest.fail("it was opened")


def test_a_full_disk_is_one_plain_error():
    with (
        pytest.raises(CaptionerError, match=r"^/dev/full: cannot be written \(No space left on device\)"),
        open_writer("text", Path("/dev/full"), io.StringIO(), bare=False) as writer,
    ):
        writer.write("a.jpg", DOG)


def test_errors_of_the_work_itself_pass_unchanged(tmp_path):
    with pytest.raises(ImageError) as caught, open_writer("text", tmp_path / "out", io.StringIO(), bare=False):
        raise ERROR
    assert caught.value is ERROR


def test_an_unknown_format_is_refused_with_those_known(tmp_path):
    with (
        pytest.raises(OptionsError, match="unknown format 'xml'; choose text, jsonl, csv"),
        open_writer("xml", tmp_path / "out", io.StringIO(), bare=False),
    ):
        pytest.fail("it was opened")
    assert not (tmp_path / "out").exists()
