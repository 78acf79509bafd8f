import csv
import io
import json
import os

import pytest

from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.outputs.forms import (
    FORMS,
    Csv,
    JsonLines,
    NoRecord,
    Text,
    error_record,
    escape_path,
    success_record,
    unescape_path,
)

DOG = Caption("a dog runs", -4.1234567, 0.6, "flickr8k")
CAT = Caption("a cat sleeps", -5.0, 0.25, "flickr8k")
DOUBTED = Caption("a cat sleeps", -5.0, 0.25, "flickr8k", low_confidence=True)
TWO = Caption("a dog runs", -4.1234567, 0.6, "flickr8k", (DOG, CAT))
KOREAN = Caption('개가 "뛴다", 멍멍', -1.0, 0.9, "mine")
ERROR = ImageError("b.jpg: no such file")
ODD_NAME = "a\tb\\c\nd\re.jpg"
NO_TEXT = os.fsdecode(b"caf\xe9.jpg")


def written(format_name, *captions, bare=False):
    form = FORMS[format_name](bare)
    return form.header + "".join(
        form.error(file_name, caption) if isinstance(caption, CaptionerError) else form.success(file_name, caption)
        for file_name, caption in captions
    )


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
    assert [unescape_path(escape_path(name)) for name in names] == names
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


@pytest.mark.parametrize("char", "=+-@\t\r")
def test_no_cell_of_csv_is_run_by_a_spreadsheet(char):
    shout = Caption(f"{char}cmd|'/C calc'!A0", -1.0, 0.5, f"{char}m")
    (row,) = csv.DictReader(io.StringIO(written("csv", (f"{char}1.jpg", shout)), newline=""))
    assert [row[name][:2] for name in ("file_name", "text", "model")] == [f"'{char}"] * 3
    assert row["log_prob"] == "-1.0"  # a number is one
    raw = Csv(is_raw=True).success(f"{char}1.jpg", shout)
    (row,) = csv.reader(io.StringIO(raw, newline=""))
    assert (row[0], row[1], row[4]) == (f"{char}1.jpg", shout.text, shout.model)


def test_csv_of_a_file_begins_with_a_byte_order_mark_where_that_is_asked_for():
    assert Csv(has_mark=True).header == "\ufefffile_name,text,log_prob,confidence,model\n"
    assert [Csv(has_mark=True).may_begin(start) for start in (b"", b"\xef", b"\xef\xbb\xbffile", b"file_na")] == [
        True
    ] * 4
    assert not Csv().may_begin(b"\xefx")


# records


def test_records_hold_what_the_contract_names():
    assert list(success_record("a.jpg", DOG)) == ["file_name", "text", "log_prob", "confidence", "model"]
    assert list(success_record("a.jpg", TWO)) == [*success_record("a.jpg", DOG), "candidates"]
    assert success_record("a.jpg", DOUBTED)["low_confidence"] is True
    assert error_record("a.jpg", ERROR) == {
        "file_name": "a.jpg",
        "error": {"type": "ImageError", "message": "b.jpg: no such file"},
    }


def test_csv_has_a_column_for_doubt_where_that_is_asked_for():
    form = Csv(marks_doubt=True)
    assert form.header == "file_name,text,log_prob,confidence,model,low_confidence\n"
    assert form.success("a.jpg", DOUBTED) == "a.jpg,a cat sleeps,-5.0,0.25,flickr8k,true\n"
    assert form.success("a.jpg", DOG).endswith(",flickr8k,\n")


# read again

CSV_FORMS = [Csv(), Csv(has_mark=True), Csv(is_raw=True), Csv(is_raw=True, has_mark=True)]
NAMES = [
    "=1+1.jpg",
    "'=1.jpg",
    "''-.jpg",
    "'a.jpg",
    "@a.jpg",
    "\tb.jpg",
    "a;=b.jpg",
    "a.jpg",
    "\r.jpg",
    ODD_NAME,
    NO_TEXT,
    "사진.jpg",
    'a,\n"b".jpg',
    "\\t.jpg",
]


def entries_of(form, content):
    return list(form.read(io.BytesIO(content)))


def content_of(form, names, caption=DOG):
    return (form.header + "".join(form.success(name, caption) for name in names)).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("form", [Text(), JsonLines(), *CSV_FORMS], ids=lambda form: type(form).__name__)
def test_what_was_written_is_read_again(form):
    content = content_of(form, NAMES)
    entries = entries_of(form, content)
    assert [entry.file_name for entry in entries] == NAMES
    assert entries[-1].end == len(content)
    assert [entry.end for entry in entries][:-1] == [entry.start for entry in entries][1:]


@pytest.mark.parametrize("form", [Text(), JsonLines(), *CSV_FORMS], ids=lambda form: type(form).__name__)
def test_wherever_it_breaks_off_the_records_before_are_read(form):
    content = content_of(form, NAMES)
    ends = [entry.end for entry in entries_of(form, content)]
    for length in range(len(form.header), len(content)):
        assert [entry.end for entry in entries_of(form, content[:length])] == [end for end in ends if end <= length]


def test_errors_are_told_from_captions():
    form = JsonLines()
    content = (form.success("a.jpg", DOG) + form.error("b.jpg", ERROR)).encode()
    assert [(entry.file_name, entry.is_error) for entry in entries_of(form, content)] == [
        ("a.jpg", False),
        ("b.jpg", True),
    ]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (Text(), b"no tab\n"),
        (JsonLines(), b"{}\n"),
        (JsonLines(), b"[1]\n"),
        (JsonLines(), b'{"file_name": 3, "text": "a"}\n'),
        (JsonLines(), b"not json\n"),
        (Csv(), b"name,caption\n"),
        (Csv(), b"file_name,text,log_prob,confidence,model\na.jpg,a dog\n"),
        (Csv(), b'file_name,text,log_prob,confidence,model\n"a"b.jpg,a,1,1,m\n'),
        (Csv(), b"\n"),
    ],
)
def test_what_no_form_wrote_is_refused_with_its_line(form, content):
    with pytest.raises(NoRecord, match=r"^line [12]"):
        entries_of(form, content)
