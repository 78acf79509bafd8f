import json

import pytest

from captioner.datasets import Example, Problem, read_annotations
from captioner.errors import DatasetError


@pytest.fixture
def read(tmp_path, fill, read_as):
    """A function `(*lines, name=..., **options) -> Annotations`; the photos a.jpg to d.jpg and 7.jpg are there."""

    def made(*lines, name="x.jsonl", **options):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        fill(tmp_path, {f"{letter}.jpg": "" for letter in "abcd7"} | {name: text})
        return read_as("jsonl", tmp_path, **options)

    return made


def captions_of(annotations):
    return {example.image: example.captions for example in annotations.examples}


def test_usual_names_one_caption_or_many_and_splits(read):
    annotations = read(
        {"file_name": "a.jpg", "text": "a dog"},
        {"image": "b.jpg", "captions": ["a  cat", "it sleeps"], "split": "val"},
        {"image": 7, "caption": "개가\n뛴다", "split": None},
        "",
        {"filename": "a.jpg", "caption": ["once more"]},
    )
    assert annotations.examples == [
        Example("a.jpg", ("a dog", "once more"), None),
        Example("b.jpg", ("a cat", "it sleeps"), "dev"),
        Example("7.jpg", ("개가 뛴다",), None),
    ]
    assert annotations.problems == []


@pytest.mark.parametrize("indent", [None, 1])
def test_one_json_list_is_read_as_well(read, indent):
    entries = [{"image": "a.jpg", "caption": "a dog"}, {"image": "b.jpg", "caption": ["x", "y"]}]
    annotations = read(json.dumps(entries, indent=indent), name="x.json")
    assert captions_of(annotations) == {"a.jpg": ("a dog",), "b.jpg": ("x", "y")}


def test_other_names_are_given(read):
    line = {"photo": "a.jpg", "beschreibung": "ein Hund", "text": "a dog"}
    assert captions_of(read(line, image_column="photo")) == {"a.jpg": ("a dog",)}
    found = read(line, image_column="photo", caption_column="beschreibung")
    assert captions_of(found) == {"a.jpg": ("ein Hund",)}


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("{", "no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[1", "no JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"),
        ("[" * 100_000, "no JSON: maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
        ("7", "expected a JSON object, found int"),
        ({"image": "b.jpg"}, "no column caption or captions or text or comment or description; found image"),
        ({}, None),
        ({"image": None, "text": "x"}, "the name of the photo is no text"),
        ({"image": True, "text": "x"}, "the name of the photo is no text"),
        ({"image": "\ud83d.jpg", "text": "x"}, "the name of the photo is no text"),
        ({"image": "b\0.jpg", "text": "x"}, "the name of the photo is no text"),
        ({"image": "", "text": "x"}, "no photo is named"),
        ({"image": "/b.jpg", "text": "x"}, "/b.jpg leads outside the photo folder"),
        ({"image": "C:\\b.jpg", "text": "x"}, "C:\\b.jpg leads outside the photo folder"),
        ({"image": "b.jpg", "text": 5}, "a caption of b.jpg is no text"),
        ({"image": "b.jpg", "text": {"en": "x"}}, "a caption of b.jpg is no text"),
        ({"image": "b.jpg", "text": "\ud83d"}, "not UTF-8 text"),
        ({"image": "b.jpg", "text": "x", "split": 3}, None),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_rest_is_read(read, tmp_path, line, detail):
    annotations = read({"image": "a.jpg", "text": "one"}, line, {"image": "c.jpg", "text": "two"})
    assert captions_of(annotations) == {"a.jpg": ("one",), "c.jpg": ("two",)}
    first, *_ = [problem for problem in annotations.problems if problem.lost]
    assert (first.kind, first.where) == ("broken line", f"{tmp_path / 'x.jsonl'}, line 2")
    assert detail is None or first.detail == detail


def test_of_a_list_of_captions_the_good_ones_are_kept(read, tmp_path):
    annotations = read({"image": "a.jpg", "captions": ["one", 5, "", "two"]}, {"image": "b.jpg", "captions": []})
    assert captions_of(annotations) == {"a.jpg": ("one", "two")}
    where = f"{tmp_path / 'x.jsonl'}, line 1"
    assert annotations.problems == [
        Problem("broken line", where, "a caption of a.jpg is no text"),
        Problem("empty caption", where, "a.jpg", lost=False),
        Problem("no caption", "b.jpg", lost=False),
    ]


def test_a_list_cut_short_is_one_plain_error(tmp_path, fill):
    fill(tmp_path, {"x.json": '[{"image": "a.jpg", "caption": "x"},\n{"image": "b.j', "a.jpg": ""})
    with pytest.raises(DatasetError, match=r"x.json, line 2: the JSON is cut short$"):
        read_annotations(tmp_path / "x.json")


def test_a_json_file_of_no_known_shape_says_what_each_format_expected(tmp_path, fill):
    fill(tmp_path, {"x.json": {"photos": []}})
    with pytest.raises(DatasetError, match=r"x.json: of no known format \(karpathy: expected images.*; coco: expected"):
        read_annotations(tmp_path / "x.json")
    with pytest.raises(DatasetError, match=r"no dataset of a known format in it; known are .*; .*x.json: of no known"):
        read_annotations(tmp_path)


def test_line_ends_inside_names_do_not_break_the_one_line_of_an_error(tmp_path, fill):
    fill(tmp_path, {"x.jsonl": json.dumps({"image": "a\nb.jpg", "text": "x"}), "y.jsonl": json.dumps({"a\nb": 1})})
    with pytest.raises(DatasetError, match=r"missing photo: a\\nb.jpg; name the folder") as caught:
        read_annotations(tmp_path / "x.jsonl")
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match=r"found a b$"):
        read_annotations(tmp_path / "y.jsonl")


# captions by photo


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_one_object_of_captions_by_photo_is_read(read, name, indent):
    content = {"a.jpg": "a dog", "b.jpg": ["a cat", "it sleeps"], "7": "x", "c": ["y"], "d.jpg": []}
    annotations = read(json.dumps(content, indent=indent), name=name)
    assert captions_of(annotations) == {
        "a.jpg": ("a dog",),
        "b.jpg": ("a cat", "it sleeps"),
        "7.jpg": ("x",),
        "c.jpg": ("y",),
    }
    assert annotations.problems == [Problem("no caption", "d.jpg", lost=False)]


def test_a_photo_that_is_twice_in_an_object_has_both_captions(read):
    assert captions_of(read('{"a.jpg": "x", "a.jpg": "y"}')) == {"a.jpg": ("x", "y")}


def test_an_object_that_is_cut_short_is_one_plain_error(tmp_path, fill):
    fill(tmp_path, {"x.json": '{"a.jpg": "x",\n"b.jpg": ["y"', "a.jpg": ""})
    with pytest.raises(DatasetError, match=r"x.json, line 2: the JSON is cut short$"):
        read_annotations(tmp_path / "x.json")


@pytest.mark.parametrize("content", [{"name": "photos", "version": "1"}, {"a": 1}, {"tags": []}, {"a.jpg": {"x": "y"}}])
def test_objects_of_other_things_are_no_annotations(tmp_path, fill, content):
    fill(tmp_path, {"a.jpg": "", "a.txt": "a dog", "package.json": content})
    assert read_annotations(tmp_path)[0] == "sidecar"


def test_lines_that_begin_with_a_list_are_lines(read):
    assert captions_of(read({"captions": ["x", "y"], "image": "a.jpg"})) == {"a.jpg": ("x", "y")}


def test_numbered_fields_and_lists_in_text_are_all_read(read):
    annotations = read(
        {"image": "a.jpg", "caption_0": "one", "caption_1": "two", "caption_2": None},
        {"image": "b.jpg", "caption": '["x", "y"]'},
        {"image": "c.jpg", "caption_1": ["x"], "caption_10": "y"},
    )
    assert captions_of(annotations) == {"a.jpg": ("one", "two"), "b.jpg": ("x", "y"), "c.jpg": ("x", "y")}
    assert annotations.problems == []
