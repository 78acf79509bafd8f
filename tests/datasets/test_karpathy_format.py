import pytest

from captioner.datasets import Example, Problem, read_annotations
from captioner.errors import DatasetError


def image(name, split, *captions, **more):
    sentences = [{"raw": text, "tokens": text.split(), "imgid": 0, "sentid": 0} for text in captions]
    return {"sentids": [0], "imgid": 0, "sentences": sentences, "split": split, "filename": name} | more


def test_splits_are_his_with_restval_as_train_and_val_as_dev(tmp_path, fill, read_as):
    images = [
        image("1.jpg", "train", "a dog", "it runs"),
        image("2.jpg", "restval", "a cat"),
        image("3.jpg", "val", "x"),
        image("4.jpg", "test", "y"),
    ]
    fill(tmp_path, {"dataset_flickr8k.json": {"images": images, "dataset": "flickr8k"}})
    fill(tmp_path, {f"Images/{number}.jpg": "" for number in range(1, 5)})
    annotations = read_as("karpathy", tmp_path)
    assert annotations.examples == [
        Example("Images/1.jpg", ("a dog", "it runs"), "train"),
        Example("Images/2.jpg", ("a cat",), "train"),
        Example("Images/3.jpg", ("x",), "dev"),
        Example("Images/4.jpg", ("y",), "test"),
    ]
    assert annotations.problems == []


@pytest.mark.parametrize("top", ["", "images/", "coco/images/"])
def test_coco_has_its_photos_in_two_folders(tmp_path, fill, read_as, top):
    images = [
        image("COCO_train2014_1.jpg", "restval", "a dog", filepath="train2014", cocoid=1),
        image("COCO_val2014_2.jpg", "val", "a cat", filepath="val2014", cocoid=2),
    ]
    fill(tmp_path, {"dataset_coco.json": {"images": images, "dataset": "coco"}})
    fill(tmp_path, {f"{top}train2014/COCO_train2014_1.jpg": "", f"{top}val2014/COCO_val2014_2.jpg": ""})
    assert [example.image for example in read_as("karpathy", tmp_path).examples] == [
        f"{top}train2014/COCO_train2014_1.jpg",
        f"{top}val2014/COCO_val2014_2.jpg",
    ]


def test_entries_that_cannot_be_used_are_named_and_the_rest_is_read(tmp_path, fill, read_as):
    images = [
        image("1.jpg", "train", "a dog"),
        7,
        {"filename": "2.jpg", "split": "train"},
        image("2.jpg", "train", "") | {"sentences": [{"tokens": [1]}]},
        image("../2.jpg", "train", "x"),
        image("2.jpg", "unseen", "x"),
        image("2.jpg", "train", "", " "),
        image("1.jpg", "test", "another"),
        image("1.jpg", "train", "it runs"),
        image(None, "train", "x"),
    ]
    fill(tmp_path, {"dataset_x.json": {"images": images}, "1.jpg": "", "2.jpg": ""})
    annotations = read_as("karpathy", tmp_path)
    assert annotations.examples == [Example("1.jpg", ("a dog", "it runs"), "train")]
    place = f"{tmp_path / 'dataset_x.json'}, line 1, images"
    known = "train, restval, test, dev, val, valid, validation"
    assert annotations.problems == [
        Problem("broken line", f"{place}[1]", "no filename, or no sentences with raw text or tokens"),
        Problem("broken line", f"{place}[2]", "no filename, or no sentences with raw text or tokens"),
        Problem("broken line", f"{place}[3]", "no filename, or no sentences with raw text or tokens"),
        Problem("broken line", f"{place}[4]", "../2.jpg leads outside the photo folder"),
        Problem("broken line", f"{place}[5]", f"unknown split 'unseen'; known are {known}"),
        Problem("empty caption", f"{place}[6]", "2.jpg", lost=False),
        Problem("empty caption", f"{place}[6]", "2.jpg", lost=False),
        Problem("broken line", f"{place}[7]", "1.jpg is in the train split already"),
        Problem("broken line", f"{place}[9]", "the name of the photo is no text"),
        Problem("no caption", "2.jpg", lost=False),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the file is empty"),
        ("[]", "line 1: expected an object with images, found a list"),
        ("{}", "expected images, each with filename, split and sentences"),
        ('{"images": []}', "expected images, each with filename, split and sentences"),
        ('{"images": [\n{"filename": "1.jpg"', "line 2: the JSON is cut short"),
    ],
)
def test_a_file_of_another_shape_is_one_plain_error(tmp_path, fill, content, message):
    fill(tmp_path, {"dataset_flickr8k.json": content, "1.jpg": ""})
    with pytest.raises(DatasetError, match=f"dataset_flickr8k.json.* {message}"):
        read_annotations(tmp_path)


def test_tokens_are_the_caption_where_there_is_no_raw_text(tmp_path, fill, read_as):
    sentences = [{"tokens": ["a", "dog", "runs"]}, {"tokens": ["it", "is", "wet"], "raw": "It is wet."}]
    fill(tmp_path, {"dataset_x.json": {"images": [{"filename": "1.jpg", "sentences": sentences}]}, "1.jpg": ""})
    assert read_as("karpathy", tmp_path).examples == [Example("1.jpg", ("a dog runs", "It is wet."), None)]
