import codecs
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from captioner.errors import CaptionerError
from captioner.photos import MissingInput, Photo, find_photos, listed_inputs, told_apart


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of empty files, which is also the present one; nothing here opens them."""
    for name in ("b.jpg", "a.png", "notes.txt", "sub/c.jpg", "sub/deep/d.jpg", ".hidden.jpg", "[x].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def give_stdin(monkeypatch):
    return lambda content: monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def find(*names, recursive=False, include=(), exclude=()):
    return list(find_photos(names, recursive, include, exclude))


def file_names(*names, **kwargs):
    return [item.file_name for item in find(*names, **kwargs)]


# what a name leads to


def test_a_file_keeps_the_path_as_it_was_given(folder):
    for name in ("photos/b.jpg", "./photos/b.jpg", "photos/../photos/b.jpg", str(folder / "photos" / "b.jpg")):
        assert find(name) == [Photo(name, name)]


def test_a_named_file_counts_whatever_its_suffix_and_filters(folder):
    assert file_names("photos/notes.txt", "photos/.hidden.jpg") == ["photos/notes.txt", "photos/.hidden.jpg"]
    assert file_names("photos/b.jpg", include=["*.png"], exclude=["*"]) == ["photos/b.jpg"]


def test_a_folder_gives_its_photos_relative_to_itself(folder):
    assert find("photos") == [Photo(name, f"photos/{name}", "photos") for name in ("[x].jpg", "a.png", "b.jpg")]


def test_a_folder_is_walked_where_asked(folder):
    assert file_names("photos", recursive=True) == ["[x].jpg", "a.png", "b.jpg", "sub/c.jpg", "sub/deep/d.jpg"]
    assert file_names("photos/sub", recursive=True) == ["c.jpg", "deep/d.jpg"]


def test_filters_apply_to_folders(folder):
    assert file_names("photos", recursive=True, include=["*.jpg"], exclude=["deep"]) == [
        "[x].jpg",
        "b.jpg",
        "sub/c.jpg",
    ]


def test_a_glob_gives_the_files_it_matches_sorted(folder):
    assert file_names("photos/*.jpg") == ["photos/[x].jpg", "photos/b.jpg"]
    assert file_names("photos/**/*.jpg") == [f"photos/{n}" for n in ("[x].jpg", "b.jpg", "sub/c.jpg", "sub/deep/d.jpg")]
    assert file_names("photos/?.png") == ["photos/a.png"]


def test_a_file_whose_name_looks_like_a_glob_is_itself(folder):
    assert file_names("photos/[x].jpg") == ["photos/[x].jpg"]


def test_names_come_in_the_order_given_each_with_its_photos(folder):
    assert file_names("photos/sub", "photos/b.jpg", "photos/?.png") == ["c.jpg", "photos/b.jpg", "photos/a.png"]


def test_a_dash_is_the_bytes_on_stdin(folder, give_stdin):
    give_stdin(b"\xff\xd8 image bytes")
    (photo,) = find("-")
    assert photo == Photo("-", b"\xff\xd8 image bytes") and not photo.is_file


def test_no_names_lead_to_no_photos():
    assert find() == []


# names that lead nowhere


@pytest.mark.parametrize(
    "name",
    [
        "gone.jpg",
        "gone/",
        "photos/*.webp",
        "photos/s*",
        "",
        "[",
        "a\0b.jpg",
        "a" * 5000,
        "photos/b.jpg/c.jpg",
        "~nobody",
    ],
)
def test_a_name_that_leads_nowhere_comes_as_such_in_its_place(folder, name):
    first, missing, last = find("photos/a.png", name, "photos/b.jpg")
    assert (first.file_name, last.file_name) == ("photos/a.png", "photos/b.jpg")
    assert isinstance(missing, MissingInput) and missing.exit_code == 1
    assert str(missing) == f"{name}: no such file or folder"


def test_a_folder_that_cannot_be_listed_comes_in_its_place_and_the_rest_goes_on(folder, lock_folders):
    lock_folders("deep")
    found = find("photos/sub", "photos/b.jpg", recursive=True)
    assert [str(item) for item in found if isinstance(item, MissingInput)] == ["photos/sub/deep: Permission denied"]
    assert [item.file_name for item in found if isinstance(item, Photo)] == ["c.jpg", "photos/b.jpg"]


def test_a_broken_link_in_a_folder_is_found_so_that_it_can_fail(folder):
    Path("photos/gone.jpg").symlink_to("nowhere")
    assert "gone.jpg" in file_names("photos")


# lists of names


def listed(tmp_path, content, null_separated=False):
    (tmp_path / "list").write_bytes(content)
    return listed_inputs(str(tmp_path / "list"), null_separated)


def test_a_list_names_one_input_a_line(tmp_path):
    assert listed(tmp_path, b"a.jpg\nb c.jpg\n") == ["a.jpg", "b c.jpg"]
    assert listed(tmp_path, b"a.jpg\nb.jpg") == ["a.jpg", "b.jpg"]
    assert listed(tmp_path, b"") == []


def test_blank_lines_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    content = codecs.BOM_UTF8 + "사진.jpg\r\n\r\nb.jpg\r\n\n".encode()
    assert listed(tmp_path, content) == ["사진.jpg", "b.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("is_big_endian", [False, True])
def test_a_list_is_in_the_encoding_that_its_byte_order_mark_says(tmp_path, encoding, is_big_endian):
    text = "사진 1.jpg\r\nb\ud83d.jpg\r\n\r\nC.JPG"
    if is_big_endian and encoding != "utf-8-sig":
        content = ("\ufeff" + text).encode(f"{encoding}-be", "surrogatepass")
    else:
        content = text.encode(encoding, "surrogatepass")
    if encoding == "utf-8-sig":
        content = content.replace("\ud83d".encode("utf-8", "surrogatepass"), b"")
        assert listed(tmp_path, content) == ["사진 1.jpg", "b.jpg", "C.JPG"]
    else:
        assert listed(tmp_path, content) == ["사진 1.jpg", "b\ud83d.jpg", "C.JPG"]
    zeros = "a.jpg\0사진.jpg\0".encode(encoding)
    assert listed(tmp_path, zeros, null_separated=True) == ["a.jpg", "사진.jpg"]


@pytest.mark.parametrize("content", ["a.jpg\r\nb.jpg\r\n".encode("utf-16-le"), b"a.jpg\0b.jpg\0"])
def test_zero_bytes_in_a_list_of_lines_are_named(tmp_path, content):
    with pytest.raises(CaptionerError, match="list: holds zero bytes: give -0 if names end with them, or save it as"):
        listed(tmp_path, content)


def test_a_list_that_is_not_what_its_mark_says_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match="list: begins as UTF-16-LE does, and is not"):
        listed(tmp_path, codecs.BOM_UTF16_LE + b"a")


def test_names_ending_in_a_zero_byte_may_hold_line_ends(tmp_path):
    assert listed(tmp_path, b"a\nb.jpg\0c\r.jpg\0\0d.jpg", null_separated=True) == ["a\nb.jpg", "c\r.jpg", "d.jpg"]


def test_names_that_are_no_valid_text_lead_to_their_files(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")
    Path(os.fsdecode(path)).touch()
    (name,) = listed(tmp_path, path + b"\n")
    assert find(name) == [Photo(name, name)] and os.fsencode(name) == path


def test_a_dash_is_a_list_on_stdin(give_stdin):
    give_stdin(b"a.jpg\nb.jpg\n")
    assert listed_inputs("-", False) == ["a.jpg", "b.jpg"]


def test_a_list_that_cannot_be_read_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=r"gone: cannot be read \(No such file or directory\)"):
        listed_inputs(str(tmp_path / "gone"), False)
    with pytest.raises(CaptionerError, match=r"cannot be read \(Is a directory\)"):
        listed_inputs(str(tmp_path), False)


# told apart


def test_a_photo_that_is_named_twice_counts_once(folder):
    found = told_apart(find("photos", "photos/b.jpg", "./photos/a.png"))
    assert [photo.file_name for photo in found] == ["[x].jpg", "a.png", "b.jpg"]


def test_names_that_two_folders_share_begin_with_the_folder(folder):
    (folder / "photos" / "sub" / "a.png").touch()
    found = told_apart(find("photos", "photos/sub"))
    assert [photo.file_name for photo in found] == ["[x].jpg", "photos/a.png", "b.jpg", "photos/sub/a.png", "c.jpg"]


def test_bytes_and_what_is_missing_are_kept(folder, give_stdin):
    give_stdin(b"...")
    assert [item.file_name for item in told_apart(find("-", "nosuch.jpg", "photos/b.jpg"))] == [
        "-",
        "nosuch.jpg",
        "photos/b.jpg",
    ]
