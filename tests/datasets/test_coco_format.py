import pytest

from captioner.datasets import Example, Problem, read_annotations
from captioner.errors import DatasetError


def captions_of(images, annotations, **more):
    """COCO's JSON of `(id, file name)` and `(image id, caption)`."""
    return {
        "info": {"year": 2017},
        "licenses": [{"id": 1}],
        "images": [{"license": 1, "file_name": name, "id": number} for number, name in images],
        "annotations": [
            {"image_id": number, "id": place, "caption": caption} for place, (number, caption) in enumerate(annotations)
        ],
    } | more


@pytest.fixture
def coco(tmp_path, fill):
    train = captions_of([(1, "01.jpg"), (2, "02.jpg")], [(2, "a cat\n"), (1, "a dog "), (2, "it  sleeps")])
    val = captions_of([(3, "03.jpg")], [(3, "a bird")])
    files = {"annotations/captions_train2017.json": train, "annotations/captions_val2017.json": val}
    photos = {"train2017/01.jpg": "", "train2017/02.jpg": "", "val2017/03.jpg": ""}
    others = {"annotations/instances_train2017.json": captions_of([], [])}
    return fill(tmp_path / "coco", files | photos | others)


def test_the_official_folder_has_a_train_and_a_dev_split(coco, read_as):
    annotations = read_as("coco", coco)
    assert annotations.examples == [
        Example("train2017/01.jpg", ("a dog",), "train"),
        Example("train2017/02.jpg", ("a cat", "it sleeps"), "train"),
        Example("val2017/03.jpg", ("a bird",), "dev"),
    ]
    assert annotations.problems == []


def test_a_photo_is_looked_for_in_the_folder_of_its_split_whatever_others_hold(coco, fill, read_as):
    fill(coco, {"train2017/03.jpg": "", "val2017/01.jpg": ""})
    assert [e.image for e in read_as("coco", coco).examples] == [
        "train2017/01.jpg",
        "train2017/02.jpg",
        "val2017/03.jpg",
    ]
    (coco / "annotations" / "captions_train2017.json").unlink()
    assert [e.image for e in read_as("coco", coco).examples] == ["val2017/03.jpg"]


def test_a_missing_photo_is_not_taken_from_the_folder_of_another_split(coco, fill, read_as):
    fill(coco, {"val2017/02.jpg": ""})
    (coco / "train2017" / "02.jpg").unlink()
    annotations = read_as("coco", coco)
    assert [e.image for e in annotations.examples] == ["train2017/01.jpg", "val2017/03.jpg"]
    assert annotations.problems == [Problem("missing photo", "train2017/02.jpg")]


def test_photos_of_one_of_the_splits_alone_are_read_and_the_others_named(coco, read_as):
    (coco / "val2017" / "03.jpg").unlink()
    annotations = read_as("coco", coco)
    assert {example.split for example in annotations.examples} == {"train"}
    assert annotations.problems == [Problem("missing photo", "03.jpg")]


def test_a_single_file_with_a_photo_folder_leaves_the_split_open(coco, read_as):
    source = coco / "annotations" / "captions_val2017.json"
    for images_dir in (coco / "val2017", coco):
        annotations = read_as("coco", source, None, images_dir)
        prefix = "" if images_dir.name == "val2017" else "val2017/"
        assert annotations.examples == [Example(f"{prefix}03.jpg", ("a bird",), None)]
        assert annotations.images_dir == images_dir


def test_without_photos_all_names_are_those_of_the_file(coco, read_as):
    for name in ("train2017", "val2017"):
        for path in (coco / name).iterdir():
            path.unlink()
    annotations = read_as("coco", coco, photos_needed=False)
    assert [example.image for example in annotations.examples] == ["01.jpg", "02.jpg", "03.jpg"]
    assert annotations.problems == []


def test_captions_may_come_before_their_photos_and_ids_be_text(tmp_path, fill, read_as):
    whole = captions_of([(1, "1.jpg"), ("2", "2.jpg")], [("1", "a dog"), (2, "a cat")])
    reversed_ = {"annotations": whole["annotations"], "images": whole["images"]}
    for name, content in (("a", whole), ("b", reversed_)):
        folder = fill(tmp_path / name, {"captions_x.json": content, "1.jpg": "", "2.jpg": ""})
        examples = [Example("1.jpg", ("a dog",), None), Example("2.jpg", ("a cat",), None)]
        assert read_as("coco", folder).examples == examples


def test_file_names_that_are_numbers_are_found_by_their_suffix(tmp_path, fill, read_as):
    content = captions_of([(1, 139), (2, "285")], [(1, "a dog"), (2, "a cat")])
    fill(tmp_path, {"captions_x.json": content, "139.jpg": "", "285.PNG": ""})
    assert [example.image for example in read_as("coco", tmp_path).examples] == ["139.jpg", "285.PNG"]


def test_entries_that_cannot_be_used_are_named_and_the_rest_is_read(tmp_path, fill, read_as):
    content = captions_of([(1, "1.jpg"), (2, "/etc/2.jpg"), (3, "3.jpg")], [(1, "a dog"), (9, "x"), (1, 5), (2, "y")])
    content["images"] += [{"id": 4}, {"id": 1, "file_name": "other.jpg"}, "5.jpg"]
    content["annotations"] += [{"image_id": 1}, {"image_id": 1, "caption": " "}, {"image_id": 1, "caption": "\ud83d"}]
    fill(tmp_path, {"captions_x.json": content, "1.jpg": "", "3.jpg": ""})
    annotations = read_as("coco", tmp_path)
    assert annotations.examples == [Example("1.jpg", ("a dog",), None)]
    place = f"{tmp_path / 'captions_x.json'}, line 1, "
    assert annotations.problems == [
        Problem("broken line", f"{place}images[1]", "/etc/2.jpg leads outside the photo folder"),
        Problem("broken line", f"{place}images[3]", "expected an object with id and file_name"),
        Problem("broken line", f"{place}images[4]", "the id 1 is that of 1.jpg already"),
        Problem("broken line", f"{place}images[5]", "expected an object with id and file_name"),
        Problem("broken line", f"{place}annotations[2]", "a caption of 1.jpg is no text"),
        Problem("broken line", f"{place}annotations[3]", "/etc/2.jpg leads outside the photo folder"),
        Problem("broken line", f"{place}annotations[4]", "expected an object with image_id and caption"),
        Problem("empty caption", f"{place}annotations[5]", "1.jpg", lost=False),
        Problem("broken line", f"{place}annotations[6]", "not UTF-8 text"),
        Problem("broken line", f"{place}annotations[1]", "no image has the id 9"),
        Problem("no caption", "3.jpg", lost=False),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": {}, "annotations": []}, "line 1: images is not a list"),
        ({"annotations": [{"image_id": 1, "caption": "x"}]}, "expected images with id and file_name"),
        (
            '{"images": [{"id": 1, "file_name": "1.jpg"}],\n "annotations": [{"image_id"',
            "line 2: the JSON is cut short",
        ),
    ],
)
def test_a_file_of_another_shape_is_one_plain_error(tmp_path, fill, content, message):
    fill(tmp_path, {"captions_x.json": content, "1.jpg": ""})
    with pytest.raises(DatasetError, match=f"captions_x.json.*{message}"):
        read_annotations(tmp_path)
