import unicodedata

import pytest

from captioner.scoring import PhotoNames


def find(name, *photos, numbers=None):
    return sorted(PhotoNames(photos, numbers).find(name))


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("a/1.jpg", "a/1.jpg"),
        ("1.jpg", "a/1.jpg"),
        ("1", "a/1.jpg"),
        ("a/1", "a/1.jpg"),
        ("/home/me/photos/a/1.jpg", "a/1.jpg"),
        ("./a//1.jpg", "a/1.jpg"),
        ("photos\\a\\1.jpg", "a/1.jpg"),
        ("photos/1.png", "1"),  # a photo that is named without extension
        ("1.jpg.1", "1.jpg.1"),
        ("v1.2", "x/v1.2.jpg"),
        ("개.jpg", "photos/개.jpg"),
        (unicodedata.normalize("NFD", "개.jpg"), "photos/개.jpg"),
        ("a/개.JPG", unicodedata.normalize("NFD", "개.jpg")),
        ("개", unicodedata.normalize("NFD", "x/개.jpg")),
        ("1.JPG", "a/1.jpg"),
        ("1.Jpg", "1.JPG"),
    ],
)
def test_a_name_may_have_more_or_less_folders_and_no_extension(name, photo):
    assert find(name, photo, "other.jpg") == [photo]


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("b/1.jpg", "a/1.jpg"),  # what both have must be equal
        ("1.png", "1.jpg"),
        ("11.jpg", "1.jpg"),
        ("", "1.jpg"),
        ("/", "1.jpg"),
        ("..", "1.jpg"),
        ("a", "a/1.jpg"),
        ("9" * 5000, "1.jpg"),
    ],
)
def test_a_name_that_contradicts_the_photos_is_unknown(name, photo):
    assert find(name, photo) == []


def test_a_name_that_fits_several_photos_is_ambiguous():
    assert find("1", "a/1.jpg", "b/1.jpg") == ["a/1.jpg", "b/1.jpg"]
    assert find("1.jpg", "a/1.jpg", "b/1.jpg") == ["a/1.jpg", "b/1.jpg"]
    assert find("1", "1.jpg", "1.png") == ["1.jpg", "1.png"]


def test_the_whole_name_comes_before_a_part_of_it():
    assert find("1.jpg", "1.jpg", "a/1.jpg") == ["1.jpg"]
    assert find("a/1", "1.jpg", "a/1.jpg") == ["a/1.jpg"]
    assert find("x/a/1.jpg", "1.jpg", "a/1.jpg") == ["a/1.jpg"]
    assert find("1", "1", "1.jpg") == ["1"]


def test_folders_decide_between_equal_names():
    photos = ("train/1.jpg", "test/1.jpg")
    assert find("photos/test/1.jpg", *photos) == ["test/1.jpg"]
    assert find("dev/1.jpg", *photos) == []


def test_a_number_is_looked_up_among_the_numbers_before_the_names():
    numbers = {1: "b.jpg", 2: "1.jpg"}
    assert find(1, "1.jpg", "b.jpg", numbers=numbers) == ["b.jpg"]
    assert find("1", "1.jpg", "b.jpg", numbers=numbers) == ["1.jpg"]  # a text is a name first
    assert find("2", "1.jpg", "b.jpg", numbers=numbers) == ["1.jpg"]
    assert find(3, "1.jpg", "b.jpg", numbers=numbers) == []


@pytest.mark.parametrize("photo", ["000000000139.jpg", "val2014/COCO_val2014_000000000139.jpg", "x/139.png"])
def test_without_numbers_a_number_is_that_of_the_file_name(photo):
    assert find(139, photo, "000000000140.jpg", "x_139.jpg", "139a.jpg") == [photo]
    assert find("139", photo, "000000000140.jpg") == [photo]


def test_photos_that_differ_in_form_or_case_alone_are_told_apart():
    nfd = unicodedata.normalize("NFD", "é.jpg")
    assert find("é.jpg", "é.jpg", nfd) == ["é.jpg"] and find(nfd, "é.jpg", nfd) == [nfd]
    assert find("a.JPG", "a.jpg", "a.JPG") == ["a.JPG"]
    assert find("a.Jpg", "a.jpg", "a.JPG") == ["a.JPG", "a.jpg"]  # ambiguous
