import pytest

from captioner.datasets import Example, Problem, read_annotations, sidecar
from captioner.errors import DatasetError, OptionsError


def read(source, *args):
    format_name, annotations = read_annotations(source, "auto", *args)
    assert format_name == "sidecar"
    return annotations


def fill(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_captions_lie_beside_their_photos_as_txt_or_caption(tmp_path):
    fill(tmp_path, {"b.jpg": "", "b.txt": "a dog\n", "a.png": "", "a.caption": "a cat"})
    assert read(tmp_path).examples == [Example("a.png", ("a cat",), None), Example("b.jpg", ("a dog",), None)]


def test_every_line_is_a_caption_and_both_files_count(tmp_path):
    fill(tmp_path, {"a.jpg": "", "a.txt": "\ufeffa  dog\r\n\r\nit runs \r\n", "a.caption": "개가 뛴다"})
    assert read(tmp_path).examples[0].captions == ("a dog", "it runs", "개가 뛴다")


def test_folders_named_after_splits_are_splits_and_the_rest_is_train(tmp_path):
    names = ["train/a", "val/b", "test/c", "dev/sub/d", "validation/e", "valid/f", "other/g", "h"]
    fill(tmp_path, {f"{name}{suffix}": "x" for name in names for suffix in (".jpg", ".txt")})
    assert {e.image: e.split for e in read(tmp_path).examples} == {
        "train/a.jpg": "train",
        "val/b.jpg": "dev",
        "test/c.jpg": "test",
        "dev/sub/d.jpg": "dev",
        "validation/e.jpg": "dev",
        "valid/f.jpg": "dev",
        "other/g.jpg": "train",
        "h.jpg": "train",
    }


def test_folders_with_other_names_leave_the_split_open(tmp_path):
    fill(tmp_path, {"dogs/train.jpg": "", "dogs/train.txt": "x", "test.jpg": "", "test.txt": "y"})
    assert [(e.image, e.split) for e in read(tmp_path).examples] == [("dogs/train.jpg", None), ("test.jpg", None)]


def test_captionless_photos_are_named_and_left_out(tmp_path):
    fill(tmp_path, {"a.jpg": "", "a.txt": "x", "b.jpg": "", "c.jpg": "", "c.txt": " \n\n", "sub/d.jpg": ""})
    annotations = read(tmp_path)
    assert [e.image for e in annotations.examples] == ["a.jpg"]
    assert annotations.problems == [Problem("no caption", n, lost=False) for n in ("b.jpg", "c.jpg", "sub/d.jpg")]


def test_a_line_that_is_not_utf_8_is_named_and_the_others_are_read(tmp_path):
    fill(tmp_path, {"a.jpg": "", "a.txt": b"good\ncaf\xe9\nfine\n"})
    annotations = read(tmp_path)
    assert annotations.examples[0].captions == ("good", "fine")
    assert annotations.problems == [Problem("broken line", f"{tmp_path / 'a.txt'}, line 2", "not UTF-8 text")]


def test_texts_without_photos_and_hidden_files_do_no_harm(tmp_path):
    fill(tmp_path, {"a.jpg": "", "a.txt": "x", "readme.txt": "hello", ".b.jpg": "", ".b.txt": "y", ".c/d.jpg": ""})
    annotations = read(tmp_path)
    assert [e.image for e in annotations.examples] == ["a.jpg"] and annotations.problems == []


def test_dots_inside_names_stay(tmp_path):
    fill(tmp_path, {"a.b.jpg": "", "a.b.txt": "right", "a.txt": "wrong"})
    assert read(tmp_path).examples == [Example("a.b.jpg", ("right",), None)]


def test_a_caption_file_is_refused_as_a_wrong_option(tmp_path):
    fill(tmp_path, {"a.jpg": "", "a.txt": "x"})
    with pytest.raises(OptionsError, match="--captions does not go with the format sidecar"):
        read(tmp_path, tmp_path / "a.txt")


def test_photos_may_lie_elsewhere(tmp_path):
    fill(tmp_path / "photos", {"a.jpg": "", "a.txt": "x"})
    (tmp_path / "empty").mkdir()
    _, annotations = read_annotations(tmp_path / "empty", "sidecar", None, tmp_path / "photos")
    assert [e.image for e in annotations.examples] == ["a.jpg"]
    assert annotations.images_dir == tmp_path / "photos"


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_read(tmp_path, monkeypatch):
    fill(tmp_path, {"a/1.jpg": "", "a/1.txt": "x", "locked/2.jpg": "", "locked/2.txt": "y"})
    scandir = sidecar.os.scandir

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    annotations = read(tmp_path)
    assert [e.image for e in annotations.examples] == ["a/1.jpg"]
    assert annotations.problems == [Problem("unreadable folder", f"{tmp_path / 'locked'}: Permission denied")]


def test_photos_without_any_caption_are_no_dataset(tmp_path):
    fill(tmp_path, {"a.jpg": "", "b.jpg": ""})
    with pytest.raises(DatasetError, match="no dataset of a known format"):
        read(tmp_path)
    with pytest.raises(DatasetError, match=r"no photo with a caption was found; first of 2: no caption: a.jpg"):
        read_annotations(tmp_path, "sidecar")


def test_one_sidecar_anywhere_below_is_enough_to_be_recognised(tmp_path):
    fill(tmp_path, {"a.jpg": "", "deep/er/b.png": "", "deep/er/b.caption": "x"})
    assert sidecar.detect(tmp_path)
    assert not sidecar.detect(tmp_path / "nowhere")
