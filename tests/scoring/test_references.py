import json

import pytest

from captioner.errors import DatasetError
from captioner.scoring import read_references


@pytest.fixture
def flickr8k(tmp_path):
    """Flickr8k's layout without a single photo."""
    folder = tmp_path / "flickr8k"
    folder.mkdir()
    lines = [f"{name}#{i}\tcaption {i} of {name} .\n" for name in ("a.jpg", "b.jpg") for i in range(2)]
    (folder / "Flickr8k.token.txt").write_text("".join(lines))
    (folder / "Flickr_8k.devImages.txt").write_text("b.jpg\n")
    return folder


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset.json").write_text('{"format": 2}')
    rows = [
        {"image": "a.jpg", "split": "dev", "captions": ["a dog"]},
        {"image": "b.jpg", "split": "test", "captions": ["a cat", "one cat"]},
    ]
    write_rows(folder, rows)
    return folder


def write_rows(folder, rows):
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_source_folder_needs_no_photo(flickr8k):
    references = read_references(flickr8k)
    assert references.format == "flickr8k"
    assert [(e.image, e.captions, e.split) for e in references.examples] == [
        ("b.jpg", ("caption 0 of b.jpg .", "caption 1 of b.jpg ."), "dev")
    ]
    assert references.problems == ()


def test_a_caption_file_will_do_and_knows_of_no_split(flickr8k):
    references = read_references(flickr8k / "Flickr8k.token.txt")
    assert [(e.image, e.split) for e in references.examples] == [("a.jpg", None), ("b.jpg", None)]


def test_another_caption_file_may_take_the_place_of_the_folders_own(flickr8k, tmp_path):
    (tmp_path / "zh.txt").write_text("b.jpg#0\t一只狗\n", encoding="utf-8")
    assert read_references(flickr8k, captions_path=tmp_path / "zh.txt").examples[0].captions == ("一只狗",)


def test_a_prepared_dataset_needs_nothing_but_its_captions(prepared):
    references = read_references(prepared)
    assert references.format == "prepared"
    assert [e.image for e in references.of_split("test")] == ["b.jpg"]


def test_what_was_lost_of_the_annotations_is_kept(flickr8k):
    with (flickr8k / "Flickr8k.token.txt").open("a") as file:
        file.write("rubbish\n")
    (problem,) = read_references(flickr8k).problems
    assert str(problem).startswith(f"broken line: {flickr8k / 'Flickr8k.token.txt'}, line 5")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image": "a.jpg", "split": "dev", "captions": ["x"]}] * 2, "photo 'a.jpg' is there twice"),
        ([{"image": "a.jpg", "split": "dev", "captions": []}], "photo 'a.jpg' has no caption"),
        ([7], "line 1: not a line of a dataset"),
    ],
)
def test_a_prepared_dataset_that_cannot_be_scored_against_is_one_line(prepared, rows, message):
    write_rows(prepared, rows)
    with pytest.raises(DatasetError, match=message):
        read_references(prepared)


@pytest.mark.parametrize("content", ["", "rubbish\n", "\0\0", "\ud800"])
def test_a_file_of_no_format_is_one_line(tmp_path, content):
    (tmp_path / "file.txt").write_text(content, errors="surrogatepass")
    with pytest.raises(DatasetError) as caught:
        read_references(tmp_path / "file.txt")
    assert str(caught.value).startswith(f"{tmp_path / 'file.txt'}:") and "\n" not in str(caught.value)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DatasetError, match="gone: no such"):
        read_references(tmp_path / "gone")
