"""Names that differ only in Unicode's normal form, or in the case of the extension, are of one photo."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.datasets import Problem, read_annotations
from captioner.datasets.photo_names import PhotoNames, folded, twins

KOREAN, FRENCH = "바다 사진", "été"


def forms_of(name):
    """All that one name may look like on another machine."""
    for form in ("NFC", "NFD"):
        for suffix in (".jpg", ".JPG", ".Jpg"):
            yield unicodedata.normalize(form, name) + suffix


@pytest.mark.parametrize("on_disk", list(forms_of(KOREAN)), ids=ascii)
@pytest.mark.parametrize("in_table", list(forms_of(KOREAN)), ids=ascii)
@pytest.mark.parametrize("format_name", ["csv", "jsonl", "flickr8k"])
def test_every_form_finds_the_photo(tmp_path, fill, on_disk, in_table, format_name):
    contents = {
        "csv": {"x.csv": f"image,caption\n{in_table},a dog\n"},
        "jsonl": {"x.jsonl": f'{{"image": "{in_table}", "caption": "a dog"}}\n'},
        "flickr8k": {"Flickr8k.token.txt": f"{on_disk}#0\ta dog\n", "Flickr_8k.trainImages.txt": f"{in_table}\n"},
    }
    fill(tmp_path, contents[format_name] | {f"Images/{on_disk}": ""})
    found, annotations = read_annotations(tmp_path)
    assert (found, annotations.problems) == (format_name, [])
    (example,) = annotations.examples
    assert Path(example.image).name == on_disk  # the name that opens it


def test_folders_and_bare_ids_are_found_in_every_form(tmp_path, fill, read_as):
    inner = unicodedata.normalize("NFD", KOREAN)
    fill(tmp_path, {"x.csv": f"image,caption\n{KOREAN}/{FRENCH},a dog\n", f"{inner}/{FRENCH}.JPG": ""})
    (example,) = read_as("csv", tmp_path).examples
    assert example.image == f"{inner}/{FRENCH}.JPG"


@pytest.mark.parametrize("suffix", [".txt", ".TXT", ".caption", ".Caption"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_sidecars_are_found_in_every_form(tmp_path, fill, read_as, suffix, form):
    fill(tmp_path, {f"{KOREAN}.JPG": "", unicodedata.normalize(form, KOREAN) + suffix: "a dog"})
    (example,) = read_as("sidecar", tmp_path).examples
    assert example.captions == ("a dog",)


def test_captions_of_another_file_are_found_in_every_form(tmp_path, fill, read_as):
    own = f"image,caption,split\n{KOREAN}.jpg,x,train\n"
    other = unicodedata.normalize("NFD", KOREAN) + ".JPG"
    fill(tmp_path, {"data/x.csv": own, f"data/{KOREAN}.jpg": "", "y.csv": f"image,caption\n{other},a dog\n"})
    annotations = read_as("csv", tmp_path / "data", tmp_path / "y.csv")
    assert ([e.captions for e in annotations.examples], annotations.problems) == ([("a dog",)], [])


def test_two_files_that_would_be_one_name_are_told_and_not_guessed(tmp_path, fill, read_as):
    fill(tmp_path, {"x.csv": "image,caption\na.Jpg,a dog\nb.jpg,x\n", "a.jpg": "", "a.JPG": "", "b.jpg": ""})
    annotations = read_as("csv", tmp_path)
    assert [example.image for example in annotations.examples] == ["b.jpg"]
    assert annotations.problems == [Problem("missing photo", "a.Jpg", "it may be any of 'a.JPG', 'a.jpg'")]


def test_two_names_that_would_be_one_file_are_told_and_not_joined(tmp_path, fill, read_as):
    fill(tmp_path, {"x.csv": "image,caption\na.jpg,a dog\na.JPG,a cat\n", "a.jpg": ""})
    annotations = read_as("csv", tmp_path)
    assert [(example.image, example.captions) for example in annotations.examples] == [("a.jpg", ("a dog",))]
    (problem,) = annotations.problems
    assert (problem.kind, problem.where) == ("missing photo", "a.JPG")
    assert problem.detail == "another photo's name differs in letter case or in the form of letters alone"


def test_files_that_differ_only_so_stay_apart(tmp_path, fill, read_as):
    nfd = unicodedata.normalize("NFD", FRENCH)
    names = [f"{FRENCH}.jpg", f"{nfd}.jpg", f"{FRENCH}.JPG"]
    rows = "".join(f"{name},caption {number}\n" for number, name in enumerate(names))
    fill(tmp_path, {"x.csv": f"image,caption\n{rows}"} | dict.fromkeys(names, ""))
    annotations = read_as("csv", tmp_path)
    assert {e.image: e.captions for e in annotations.examples} == {
        name: (f"caption {number}",) for number, name in enumerate(names)
    }


def test_a_sidecar_is_not_given_to_two_photos_of_other_forms(tmp_path, fill, read_as):
    nfd = unicodedata.normalize("NFD", FRENCH)
    fill(tmp_path, {f"{FRENCH}.jpg": "", f"{nfd}.jpg": "", f"{FRENCH}.txt": "a dog"})
    annotations = read_as("sidecar", tmp_path)
    assert [example.image for example in annotations.examples] == [f"{FRENCH}.jpg"]


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_a_name_and_its_forms_fold_alike(text, form):
    assert folded(unicodedata.normalize(form, text)) == folded(unicodedata.normalize("NFC", text))


@given(st.lists(st.sampled_from(["a.jpg", "a.JPG", "b.png", "é.jpg", "e\u0301.jpg", "A.jpg"]), unique=True))
def test_every_name_finds_itself(names):
    known = PhotoNames(names)
    assert all(known.find(name, twins(names)) == name for name in names)


def test_other_letters_in_other_case_are_another_name():
    assert PhotoNames(["A.jpg"]).find("a.jpg") is None
    assert PhotoNames(["x.A"]).find("x.a") is None
