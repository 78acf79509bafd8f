import codecs
import json

import pytest

from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.outputs.forms import error_record, success_record
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
