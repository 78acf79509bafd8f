"""Which folders and names are looked at."""

import pytest

from captioner.images import find_images, matches_any
from captioner.photos import describe_skipped, find_photos

SYSTEM = ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "@Recycle", "lost+found", "__MACOSX"]


@pytest.fixture
def drive(tmp_path):
    for folder in (*SYSTEM, "2024/@eaDir", "recycle"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "a.jpg").touch()
    return tmp_path


def test_folders_of_systems_are_not_entered_and_told(drive):
    skipped = []
    found = list(find_images(drive, recursive=True, skipped=skipped.append))
    assert [path.relative_to(drive).as_posix() for path in found] == ["recycle/a.jpg"]
    assert {path.relative_to(drive).as_posix() for path in skipped} == {*SYSTEM, "2024/@eaDir"}
    said = describe_skipped(skipped)
    assert "@eaDir (2)" in said and "lost+found" in said and "\n" not in said


@pytest.mark.parametrize("name", SYSTEM)
def test_letter_case_does_not_matter_and_one_that_is_given_is_entered(drive, name):
    (drive / name).rename(drive / "x").rename(drive / name.swapcase())
    skipped = []
    assert not [p for p in find_images(drive, True, skipped=skipped.append) if name.swapcase() in str(p)]
    assert drive / name.swapcase() in skipped
    (photo,) = find_photos([str(drive / name.swapcase())], True, (), ())
    assert photo.file_name == "a.jpg"


def test_nothing_is_told_where_no_subfolder_would_be_entered(drive):
    skipped = []
    assert list(find_images(drive, skipped=skipped.append)) == [] and skipped == []


@pytest.mark.parametrize(
    ("below", "pattern", "is_match"),
    [
        ("A.JPG", "*.jpg", True),
        ("a.jpg", "*.JPG", True),
        ("x/A.Jpg", "x/*.jpg", True),
        ("A.JPG", "*.[jJ][pP][gG]", True),
        ("A.JPG", "a.jpg", False),
        ("A.JPG", "*", True),
        ("raw", "RAW", False),
        ("a.png", "*.jpg", False),
    ],
)
def test_patterns_disregard_the_letter_case_of_suffixes_alone(below, pattern, is_match):
    assert matches_any(below, [pattern]) == is_match
