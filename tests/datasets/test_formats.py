"""Which format a source is of, and what all formats have in common."""

import click
import pytest

from captioner.cli import main
from captioner.datasets import FORMATS, Example, Problem, read_annotations
from captioner.errors import DatasetError, OptionsError

CSV = "image,caption\na.jpg,a dog\nb.jpg,a cat\n"
TOKENS = "a.jpg#0\tein Hund\nb.jpg#0\teine Katze\nc.jpg#0\tein Vogel\n"


def captions_of(annotations):
    return {example.image: example.captions for example in annotations.examples}


def test_the_command_offers_every_format():
    (option,) = [p for p in main.get_command(None, "prepare").params if p.name == "format_name"]
    assert isinstance(option.type, click.Choice)
    assert sorted(option.type.choices) == sorted(["auto", *FORMATS])


def test_an_annotation_file_is_a_source_whatever_its_name(tmp_path, fill, read_as):
    fill(tmp_path, {"one": CSV, "two": TOKENS, "three": '{"image": "a.jpg", "text": "x"}', "a.jpg": "", "b.jpg": ""})
    assert captions_of(read_as("csv", tmp_path / "one")) == {"a.jpg": ("a dog",), "b.jpg": ("a cat",)}
    assert captions_of(read_as("flickr8k", tmp_path / "two")) == {"a.jpg": ("ein Hund",), "b.jpg": ("eine Katze",)}
    assert captions_of(read_as("jsonl", tmp_path / "three")) == {"a.jpg": ("x",)}


def test_an_annotation_file_finds_its_photos_near_by_or_where_it_is_told(tmp_path, fill, read_as):
    fill(tmp_path, {"text/x.csv": CSV, "text/photos/a.jpg": "", "photos/b.jpg": ""})
    assert list(captions_of(read_as("csv", tmp_path / "text" / "x.csv"))) == ["photos/a.jpg"]
    assert list(captions_of(read_as("csv", tmp_path / "text" / "x.csv", None, tmp_path / "photos"))) == ["b.jpg"]


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_folder_without_it_is_refused_by_every_format(tmp_path, name):
    with pytest.raises(DatasetError):
        read_annotations(tmp_path, name)


@pytest.mark.parametrize("mark", ["{}", "[]", "hello", "a,b\n1,2\n"])
def test_files_that_are_no_annotations_do_not_hide_sidecars(tmp_path, fill, read_as, mark):
    fill(tmp_path, {"a.jpg": "", "a.txt": "a dog", "package.json": mark, "notes.csv": mark, "results.csv": mark})
    assert captions_of(read_as("sidecar", tmp_path)) == {"a.jpg": ("a dog",)}


# splits


def test_files_named_after_splits_are_those_splits(tmp_path, fill, read_as):
    fill(tmp_path, {"my_train.csv": CSV, "my_val.csv": "image,caption\nc.jpg,x\n"})
    fill(tmp_path, {f"{letter}.jpg": "" for letter in "abc"})
    annotations = read_as("csv", tmp_path)
    assert {e.image: e.split for e in annotations.examples} == {"a.jpg": "train", "b.jpg": "train", "c.jpg": "dev"}


def test_a_file_alone_is_no_split(tmp_path, fill, read_as):
    fill(tmp_path, {"train.csv": CSV, "a.jpg": "", "b.jpg": ""})
    assert {example.split for example in read_as("csv", tmp_path).examples} == {None}


def test_a_photo_in_two_files_stays_in_the_first_split_and_is_named(tmp_path, fill, read_as):
    fill(tmp_path, {"train.csv": CSV, "test.csv": "image,caption\na.jpg,x\n", "a.jpg": "", "b.jpg": ""})
    annotations = read_as("csv", tmp_path)
    assert {e.image: e.split for e in annotations.examples} == {"a.jpg": "test", "b.jpg": "train"}
    assert annotations.problems == [
        Problem("broken line", str(tmp_path / "train.csv"), "a.jpg is in the test split already")
    ]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("csv", {"x.csv": "image,caption\n1.jpg,x\n"}),
        ("jsonl", {"x.jsonl": '{"image": "1.jpg", "caption": "x"}'}),
        ("flickr8k", {"Flickr8k.token.txt": "1.jpg#0\tx\n"}),
        ("flickr30k", {"results.csv": "image_name| comment_number| comment\n1.jpg| 0| x\n"}),
        ("karpathy", {"dataset_x.json": {"images": [{"filename": "1.jpg", "sentences": [{"raw": "x"}]}]}}),
        (
            "coco",
            {
                "captions_x.json": {
                    "images": [{"id": 1, "file_name": "1.jpg"}],
                    "annotations": [{"image_id": 1, "caption": "x"}],
                }
            },
        ),
        ("sidecar", {"Images/1.txt": "x"}),
    ],
)
@pytest.mark.parametrize("has_images_dir", [False, True])
def test_folders_named_after_splits_may_be_of_any_format(tmp_path, fill, read_as, name, files, has_images_dir):
    for folder in ("train", "valid", "test"):
        fill(tmp_path / folder, files | {"Images/1.jpg": ""})
    images_dir = tmp_path if has_images_dir and name != "flickr8k" else None  # which wants the very folder
    annotations = read_as(name, tmp_path, None, images_dir)
    assert sorted((e.image, e.captions, e.split) for e in annotations.examples) == [
        ("test/Images/1.jpg", ("x",), "test"),
        ("train/Images/1.jpg", ("x",), "train"),
        ("valid/Images/1.jpg", ("x",), "dev"),
    ]
    assert annotations.problems == [] and annotations.images_dir == tmp_path


def test_a_split_folder_without_annotations_is_named(tmp_path, fill, read_as):
    fill(tmp_path, {"train/x.csv": CSV, "train/a.jpg": "", "train/b.jpg": "", "test/c.jpg": ""})
    assert read_as("csv", tmp_path).problems == [
        Problem("no caption", "test", "the folder has no annotations of the format", lost=False)
    ]


# captions of another file


@pytest.mark.parametrize("name", ["x.txt", "x"])
def test_captions_of_any_format_take_the_place_of_the_own_ones(tmp_path, fill, read_as, name):
    fill(tmp_path, {"data/x.csv": "image,caption,split\na.jpg,a dog,train\nb.jpg,a cat,test\nd.jpg,x,\n"})
    fill(tmp_path, {f"data/in/{letter}.jpg": "" for letter in "abd"} | {name: TOKENS})
    annotations = read_as("csv", tmp_path / "data", tmp_path / name)
    assert annotations.examples == [
        Example("in/a.jpg", ("ein Hund",), "train"),
        Example("in/b.jpg", ("eine Katze",), "test"),
    ]
    assert annotations.problems == [
        Problem("unknown photo", "c.jpg", f"{tmp_path / name} captions it"),
        Problem("no caption", "in/d.jpg", lost=False),
    ]


def test_flickr8k_keeps_its_splits_with_captions_of_another_format(tmp_path, fill, read_as):
    fill(tmp_path, {"data/Flickr_8k.trainImages.txt": "a.jpg\n", "data/Flickr_8k.devImages.txt": "b.jpg\n"})
    fill(tmp_path, {"data/Images/a.jpg": "", "data/Images/b.jpg": "", "x.csv": CSV})
    annotations = read_as("flickr8k", tmp_path / "data", tmp_path / "x.csv")
    assert annotations.examples == [Example("a.jpg", ("a dog",), "train"), Example("b.jpg", ("a cat",), "dev")]


def test_captions_are_not_given_to_two_photos_of_one_name(tmp_path, fill, read_as):
    for folder in ("train", "test"):
        fill(tmp_path / "data" / folder, {"x.csv": CSV, "a.jpg": "", "b.jpg": ""})
    fill(tmp_path, {"x.csv": "image,caption\ntrain/a.jpg,ein Hund\ntest/a.jpg,kein Hund\nb.jpg,eine Katze\n"})
    annotations = read_as("csv", tmp_path / "data", tmp_path / "x.csv")
    assert captions_of(annotations) == {"test/a.jpg": ("kein Hund",), "train/a.jpg": ("ein Hund",)}
    assert Problem("unknown photo", "b.jpg", f"{tmp_path / 'x.csv'} captions it") in annotations.problems


def test_photos_without_annotations_take_those_of_the_file(tmp_path, fill, read_as):
    fill(tmp_path, {"photos/a.jpg": "", "photos/sub/b.jpg": "", "x.csv": "image,caption\na.jpg,x\nsub/b.jpg,y\n"})
    annotations = read_as("csv", tmp_path / "photos", tmp_path / "x.csv")
    assert captions_of(annotations) == {"a.jpg": ("x",), "sub/b.jpg": ("y",)}
    assert annotations.images_dir == tmp_path / "photos"


def test_sidecars_take_no_captions_of_another_file(tmp_path, fill):
    fill(tmp_path, {"a.jpg": "", "a.txt": "x", "b/x.csv": CSV})
    with pytest.raises(OptionsError, match="sidecars lie beside their photos: --captions does not go with the format"):
        read_annotations(tmp_path, "sidecar", tmp_path / "b" / "x.csv")


# no photos


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("csv", {"x.csv": CSV}),
        ("jsonl", {"x.jsonl": '{"image": "a.jpg", "text": "a dog"}\n{"image": "b.jpg", "text": "a cat"}'}),
        ("flickr8k", {"Flickr8k.token.txt": "a.jpg#0\ta dog\nb.jpg#0\ta cat\n"}),
        (
            "flickr8k",
            {"Flickr8k.token.txt": "a.jpg#0\ta dog\nb.jpg#0\ta cat\n", "Flickr_8k.devImages.txt": "a.jpg\nb.jpg"},
        ),
    ],
)
def test_captions_alone_are_read_where_no_photo_is_needed(tmp_path, fill, read_as, name, files):
    fill(tmp_path, files)
    annotations = read_as(name, tmp_path, photos_needed=False)
    assert captions_of(annotations) == {"a.jpg": ("a dog",), "b.jpg": ("a cat",)}
    assert annotations.problems == []
    _, alone = read_annotations(tmp_path / next(iter(files)), photos_needed=False)
    assert captions_of(alone) == captions_of(annotations)
