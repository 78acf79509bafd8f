"""Photos in folders named after splits are never drawn into another one."""

import json

import pytest

from captioner.datasets import Example, read_annotations
from captioner.datasets.split_names import split_of_folder, with_folder_splits

PHOTOS = {"train/a.jpg": "train", "val/b.jpg": "dev", "test/c.jpg": "test"}
FILES = {
    "imagefolder": lambda names: {
        "metadata.jsonl": "".join(json.dumps({"file_name": name, "text": "x"}) + "\n" for name in names)
    },
    "csv": lambda names: {"x.csv": "image,caption\n" + "".join(f"{name},x\n" for name in names)},
    "jsonl": lambda names: {"x.json": {name: ["x"] for name in names}},
    "flickr30k": lambda names: {
        "results.csv": "image_name| comment_number| comment\n" + "".join(f"{name}| 0| x\n" for name in names)
    },
    "karpathy": lambda names: {
        "dataset_x.json": {"images": [{"filename": name, "sentences": [{"raw": "x"}]} for name in names]}
    },
    "coco": lambda names: {
        "captions_x.json": {
            "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
            "annotations": [{"image_id": number, "caption": "x"} for number, _ in enumerate(names)],
        }
    },
    "sidecar": lambda names: {f"{name[:-4]}.txt": "x" for name in names},
}


def splits_of(annotations):
    return {example.image: example.split for example in annotations.examples}


@pytest.mark.parametrize("format_name", FILES)
@pytest.mark.parametrize("top", ["", "photos/", "photos/of 2014/"])
def test_one_file_at_the_top_keeps_the_splits_of_its_photos_folders(tmp_path, fill, format_name, top):
    photos = {f"{top}{name}": split for name, split in PHOTOS.items()}
    fill(tmp_path, FILES[format_name](photos) | dict.fromkeys(photos, ""))
    found, annotations = read_annotations(tmp_path)
    assert (found, splits_of(annotations)) == (format_name, photos)


@pytest.mark.parametrize("format_name", [name for name in FILES if name != "sidecar"])
def test_photos_that_are_found_in_folders_of_splits_are_of_these(tmp_path, fill, format_name):
    fill(tmp_path, FILES[format_name](["a.jpg", "b.jpg", "c.jpg"]) | dict.fromkeys(PHOTOS, ""))
    assert splits_of(read_annotations(tmp_path)[1]) == PHOTOS


@pytest.mark.parametrize("format_name", [name for name in FILES if name != "sidecar"])
def test_splits_are_kept_where_no_photo_is_needed(tmp_path, fill, format_name):
    fill(tmp_path, FILES[format_name](PHOTOS))
    assert splits_of(read_annotations(tmp_path, photos_needed=False)[1]) == PHOTOS


def test_what_the_file_says_of_a_split_comes_first(tmp_path, fill, read_as):
    rows = "train/a.jpg,x,test\nval/b.jpg,x,train\ntest/c.jpg,x,\n"
    fill(tmp_path, {"x.csv": f"image,caption,split\n{rows}"} | dict.fromkeys(PHOTOS, ""))
    assert splits_of(read_as("csv", tmp_path)) == {"train/a.jpg": "test", "val/b.jpg": "train", "test/c.jpg": "test"}


def test_the_rest_is_train():
    examples = [Example(name, ("x",), None) for name in ("test/a.jpg", "b.jpg", "other/c.jpg")]
    assert [example.split for example in with_folder_splits(examples)] == ["test", "train", "train"]


@pytest.mark.parametrize("names", [["train/a.jpg", "train/b.jpg"], ["train/a.jpg", "car/b.jpg"], ["val2017/a.jpg"], []])
def test_where_there_is_nothing_to_keep_apart_splits_are_drawn(names):
    examples = [Example(name, ("x",), None) for name in names]
    assert with_folder_splits(examples) == examples


def test_a_folder_s_name_is_that_of_a_split_or_it_is_none():
    named = {"train": "train", "TEST": "test", "val2014": "dev", "valid": "dev", "test_2": "test", "restval": "train"}
    assert {name: split_of_folder(name) for name in named} == named
    assert [split_of_folder(name) for name in ("test drives", "trains", "contest", "train.zip", "evaluation")] == [
        None
    ] * 5
