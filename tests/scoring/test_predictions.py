import codecs
import json
from dataclasses import replace

import pytest

from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.outputs.forms import Csv, error_record, success_record
from captioner.scoring import Prediction, read_predictions


@pytest.fixture
def read(tmp_path):
    """A function `(content) -> records` of a file with that content."""

    def made(content):
        path = tmp_path / "predictions.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_predictions(path).records

    return made


def test_json_lines_hold_an_image_and_its_caption(read):
    assert read('{"image": "a.jpg", "caption": "a dog"}\n\n{"image": "b.jpg", "caption": ""}\n') == (
        Prediction("a.jpg", "a dog", "line 1"),
        Prediction("b.jpg", "", "line 3"),
    )


def test_the_records_of_the_caption_command_are_predictions_and_its_errors_are_none(read):
    caption = Caption(text="a dog", log_prob=-1.5, confidence=0.7, model="flickr8k")
    records = (success_record("a.jpg", caption), error_record("b.jpg", ImageError("b.jpg: no image")))
    assert read("\n".join(map(json.dumps, records))) == (
        Prediction("a.jpg", "a dog", "line 1"),
        Prediction("b.jpg", None, "line 2"),
    )


@pytest.mark.parametrize("indent", [None, 2])
def test_coco_results_are_a_list_with_numbers(read, indent):
    entries = [{"image_id": 139, "caption": "a room"}, {"image_id": "285.jpg", "caption": "a bear"}]
    assert read(json.dumps(entries, indent=indent)) == (
        Prediction(139, "a room", "entry 1"),
        Prediction("285.jpg", "a bear", "entry 2"),
    )


def test_byte_order_mark_and_line_ends_of_windows_do_no_harm(read):
    content = codecs.BOM_UTF8 + '{"image": "é.jpg", "caption": "개"}\r\n{"image": "b", "caption": "c"}\r\n'.encode()
    assert [record.photo for record in read(content)] == ["é.jpg", "b"]


GOOD = '{"image": "a.jpg", "caption": "a dog"}\n'

RUBBISH = {
    "": "FILE: no predictions in it",
    "\n \n": "FILE: no predictions in it",
    "[]": "FILE: no predictions in it",
    GOOD + "{": "FILE, line 2: broken JSON (Expecting property name enclosed in double quotes, column 2)",
    GOOD + "a dog": "FILE, line 2: broken JSON (Expecting value, column 1)",
    GOOD + '{"image": "b.jpg"} {}': "FILE, line 2: broken JSON (Extra data, column 20)",
    GOOD + '{"image": "b.jpg", "caption": NaN}': "FILE, line 2: broken JSON (NaN is no JSON)",
    GOOD + '{"image": "b.jpg", "score": -Infinity}': "FILE, line 2: broken JSON (-Infinity is no JSON)",
    GOOD + "7": "FILE, line 2: expected an object with image and caption, not 7",
    GOOD + "null": "FILE, line 2: expected an object with image and caption, not null",
    GOOD + '"b.jpg"': 'FILE, line 2: expected an object with image and caption, not "b.jpg"',
    GOOD + '["b.jpg", "c"]': 'FILE, line 2: expected an object with image and caption, not ["b.jpg", "c"]',
    GOOD + "{}": "FILE, line 2: no photo in it; expected one of image, file_name, image_id",
    GOOD + '{"caption": "a"}': "FILE, line 2: no photo in it; expected one of image, file_name, image_id",
    GOOD + '{"image": "b.jpg"}': "FILE, line 2: no caption in it; expected caption or text",
    GOOD + '{"image": 5, "caption": "a"}': "FILE, line 2: image must be a name, not 5",
    GOOD + '{"file_name": null, "text": "a"}': "FILE, line 2: file_name must be a name, not null",
    GOOD + '{"image": "", "caption": "a"}': 'FILE, line 2: image must be a name, not ""',
    GOOD + '{"image": ["b"], "caption": "a"}': 'FILE, line 2: image must be a name, not ["b"]',
    GOOD + '{"image_id": true, "caption": "a"}': "FILE, line 2: image_id must be a number or a name, not true",
    GOOD + '{"image_id": 1.5, "caption": "a"}': "FILE, line 2: image_id must be a number or a name, not 1.5",
    GOOD + '{"image": "b.jpg", "caption": null}': "FILE, line 2: caption must be text, not null",
    GOOD + '{"image": "b.jpg", "caption": 3}': "FILE, line 2: caption must be text, not 3",
    GOOD + '{"image": "b.jpg", "caption": ["a dog"]}': 'FILE, line 2: caption must be text, not ["a dog"]',
    GOOD + "[" * 100_000: "FILE, line 2: broken JSON (nested too deeply)",
    '[{"image_id": 1, "caption": "a"},\n{"image_id": }]': "FILE, line 2: broken JSON (Expecting value, column 14)",
    '[{"image_id": 1, "caption": "a"}, {"image_id": 2}]': "FILE, entry 2: no caption in it; expected caption or text",
    "[1, 2]": "FILE, entry 1: expected an object with image and caption, not 1",
    '{"images": [], "annotations": []}': "FILE, line 1: no photo in it; expected one of image, file_name, image_id",
    GOOD.encode() + b'{"image": "\xff.jpg"}': "FILE, line 2: not UTF-8 text",
    GOOD.encode("utf-16"): "FILE, line 1: not UTF-8 text",
    b"\x89PNG\r\n\x1a\n\0\0": "FILE, line 1: not UTF-8 text",
    b"\0\0\0\0": "FILE, line 1: broken JSON (Expecting value, column 1)",
}


@pytest.mark.parametrize(("content", "message"), RUBBISH.items(), ids=range(len(RUBBISH)))
def test_rubbish_is_one_plain_line_with_file_and_line(read, tmp_path, content, message):
    with pytest.raises(CaptionerError) as caught:
        read(content)
    assert str(caught.value) == message.replace("FILE", str(tmp_path / "predictions.jsonl"))
    assert caught.value.exit_code == 1


def test_a_value_without_end_is_cut_in_the_error(read):
    with pytest.raises(CaptionerError) as caught:
        read(json.dumps({"image": "a.jpg", "caption": ["a"] * 10_000}))
    assert len(str(caught.value)) < 300


def test_a_number_beyond_all_bounds_is_an_error(read):
    with pytest.raises(CaptionerError, match=r"line 1: broken JSON \(Exceeds the limit"):
        read('{"image_id": ' + "9" * 5000 + ', "caption": "a"}')


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(CaptionerError, match=r"gone\.jsonl: No such file or directory"):
        read_predictions(tmp_path / "gone.jsonl")
    with pytest.raises(CaptionerError, match="Is a directory"):
        read_predictions(tmp_path)


# other layouts


@pytest.mark.parametrize("indent", [None, 1])
def test_one_object_holds_captions_by_photo(read, indent):
    content = json.dumps({"a.jpg": "a dog", "139": ["a room"]}, indent=indent)
    assert read(content) == (Prediction("a.jpg", "a dog", '"a.jpg"'), Prediction("139", "a room", '"139"'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.jpg": "x", "b.jpg": ["x", "y"]}, '"b.jpg": expected one caption of the photo, not 2'),
        ({"a.jpg": "x", "b.jpg": []}, '"b.jpg": expected one caption of the photo, not 0'),
        ({"a.jpg": "x", "b.jpg": 5}, '"b.jpg": caption must be text, not 5'),
        ('{"a.jpg": "x", "a.jpg": "y"}', 'broken JSON ("a.jpg" is there twice)'),
        (GOOD + '{"image": "b.jpg", "caption": "x", "caption": "y"}', 'broken JSON ("caption" is there twice)'),
    ],
)
def test_no_caption_of_several_is_taken_in_silence(read, content, message):
    with pytest.raises(CaptionerError) as caught:
        read(content if isinstance(content, str) else json.dumps(content))
    assert str(caught.value).endswith(message)


@pytest.fixture
def read_table(tmp_path):
    """A function `(content, name=...) -> [(photo, caption)]`."""

    def made(content, name="x.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8", newline="")
        return [(record.photo, record.caption) for record in read_predictions(tmp_path / name).records]

    return made


NAMES = ["a.jpg", "=1+1.jpg", "'-.jpg", 'b, "c".jpg', "사진.jpg"]


@pytest.mark.parametrize("has_mark", [False, True])
def test_the_csv_of_the_caption_command_is_read_as_it_was(read_table, has_mark):
    form = Csv(has_mark=has_mark)
    caption = Caption("+ a dog", -1.5, 0.7, "m")
    several = replace(caption, candidates=(caption, Caption("a cat", -2.0, 0.6, "m")))
    rows = [form.success(name, several if name == "a.jpg" else caption) for name in NAMES]
    assert read_table(form.header + "".join(rows)) == [(name, "+ a dog") for name in NAMES]


def test_other_tables_are_read_by_the_names_of_their_columns(read_table):
    assert read_table("image\tcaption\na.jpg\ta dog\n", "x.tsv") == [("a.jpg", "a dog")]
    assert read_table("image_id,caption\n139,a room\n") == [("139", "a room")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("photo,words\na,b\n", "line 1: no column image or .*; found photo, words"),
        ("image,caption_0,caption_1\na.jpg,x,y\n", "line 2: expected one caption of the photo, not several columns"),
        ('image,caption\na.jpg,x\nb.jpg,"y\n', "line 3: a quote goes wrong"),
        ("image,caption,x\na.jpg\n", "line 2: 1 cells where the first line has 3"),
    ],
)
def test_a_table_that_cannot_be_scored_is_named_with_its_line(read_table, content, message):
    with pytest.raises(CaptionerError, match=message):
        read_table(content)


def test_the_parquet_of_the_caption_command_is_read(tmp_path):
    tables = pytest.importorskip("captioner.outputs.tables")
    pytest.importorskip("pyarrow")
    caption = Caption("a dog", -1.5, 0.7, "m")
    records = [success_record("a.jpg", caption), error_record("b.jpg", ImageError("b.jpg: no image"))]
    (tmp_path / "x.parquet").write_bytes(tables.parquet_bytes(records))
    assert read_predictions(tmp_path / "x.parquet").records == (
        Prediction("a.jpg", "a dog", "row 1"),
        Prediction("b.jpg", None, "row 2"),
    )
