"""`captioner prepare` where the disk fails it: one plain line, exit code 1, and what was there stays usable."""

import os
import resource
import shutil
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from nobody import as_nobody, open_folder
from PIL import Image

from captioner.cli import main
from captioner.datasets import Dataset


class MeanEncoder:
    """The mean colour of each quarter of the photo."""

    key, image_size, num_regions, depth, quantization = "mean-0123", 8, 4, 3, None

    def encode(self, images):
        return images.reshape(-1, 2, 4, 2, 4, 3).mean((2, 4)).reshape(-1, 4, 3) / 255


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    monkeypatch.setattr("captioner.encoders.opening.open_encoder", lambda path, key: MeanEncoder())


@contextmanager
def largest_file(num_bytes):
    """Inside, a file cannot grow beyond that, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder():
    with open_folder() as path:
        yield path


def add_photos(folder, count, caption):
    (folder / "photos").mkdir(exist_ok=True)
    first = len(os.listdir(folder / "photos")) // 2
    for number in range(first, first + count):
        Image.new("RGB", (9, 9), (number, 99, 0)).save(folder / "photos" / f"{number:03}.png")
        (folder / "photos" / f"{number:03}.txt").write_text(caption)


def prepare(folder, output_dir=None):
    command = ["prepare", str(folder / "photos"), str(output_dir or folder / "data"), "--min-count", "1"]
    return CliRunner().invoke(main, command)


def content_of(data_dir):
    """What a user has of a dataset: its files as bytes, and the features by photo."""
    dataset = Dataset.open(data_dir)
    features, rows = dataset.features_of(list(dataset.examples), MeanEncoder())
    files = {path.name: path.read_bytes() for path in data_dir.iterdir() if path.is_file()}
    return files, {e.image: features[row].tobytes() for e, row in zip(dataset.examples, rows, strict=True)}


def assert_refused(done, message):
    """One plain line after the one that says what was found."""
    assert (done.exit_code, done.stdout) == (1, "")
    _, error = done.stderr.splitlines()
    assert error.startswith("Error: ") and message in error


@pytest.mark.parametrize(
    ("caption", "most_bytes", "message"),
    [
        ("a dog runs", 1000, "features/mean-0123: cannot be written (File too large)"),
        ("a dog runs " * 100, 9000, "data/captions.jsonl: cannot be written (File too large)"),
    ],
)
def test_a_disk_that_is_full_harms_nothing_and_the_same_command_goes_on(folder, caption, most_bytes, message):
    add_photos(folder, 5, caption)
    assert prepare(folder).exit_code == 0
    before = content_of(folder / "data")
    add_photos(folder, 60, f"another {caption}")
    with largest_file(most_bytes):
        refused = prepare(folder)
    assert_refused(refused, message)
    assert content_of(folder / "data") == before
    assert sorted(os.listdir(folder / "data")) == [
        ".lock",
        "captions.jsonl",
        "dataset.json",
        "features",
        "report.json",
        "vocabulary.txt",
    ]
    assert prepare(folder).exit_code == prepare(folder, folder / "anew").exit_code == 0
    assert content_of(folder / "data") == content_of(folder / "anew")
    assert len(content_of(folder / "data")[1]) == 65


def test_a_disk_that_is_full_from_the_start_leaves_no_dataset(folder):
    add_photos(folder, 5, "a dog runs")
    with largest_file(10):
        refused = prepare(folder)
    assert_refused(refused, "features/mean-0123/cache.json: cannot be written (File too large)")
    assert not (folder / "data" / "dataset.json").exists()
    assert prepare(folder).exit_code == 0
    assert len(content_of(folder / "data")[1]) == 5


def own(folder):
    """Gives all of it to whom `as_nobody` is."""
    for path in [folder, *folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)


@pytest.mark.parametrize("num_more", [0, 3])
def test_a_dataset_of_which_nothing_may_be_written_is_one_line_and_stays_as_it_was(folder, num_more):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder).exit_code == 0
    before = content_of(folder / "data")
    add_photos(folder, num_more, "a cat")
    for path in [folder / "data", *(folder / "data").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with as_nobody():
        refused = prepare(folder)
    assert_refused(refused, "data/.lock: cannot be locked (Permission denied)")
    assert content_of(folder / "data") == before


@pytest.mark.parametrize(
    ("protected", "message"),
    [
        ("", "dataset.json: cannot be written"),
        ("features/mean-0123/lock", "features/mean-0123/lock: cannot be locked"),
        ("features/mean-0123/rows.bin", "features/mean-0123: cannot be written"),
        ("features/mean-0123/index.jsonl", "features/mean-0123: cannot be written"),
    ],
)
def test_a_part_that_may_not_be_written_is_one_line_and_the_dataset_stays_as_it_was(folder, protected, message):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder).exit_code == 0
    before = content_of(folder / "data")
    add_photos(folder, 3, "a cat")
    own(folder / "data")
    (folder / "data" / protected).chmod(0o555)
    with as_nobody():
        refused = prepare(folder)
    assert_refused(refused, f"{folder}/data/{message} (Permission denied)")
    assert content_of(folder / "data") == before
    (folder / "data" / protected).chmod(0o755)
    with as_nobody():
        assert prepare(folder).exit_code == 0
    assert len(content_of(folder / "data")[1]) == 8


def test_a_folder_that_may_not_be_written_into_is_one_line(folder):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder, folder / "other").exit_code == 0
    folder.chmod(0o555)
    with as_nobody():
        refused = prepare(folder)
    assert_refused(refused, f"{folder / 'data'}: cannot be made (Permission denied)")
    folder.chmod(0o755)


@pytest.mark.parametrize(
    ("locked", "message"),
    [
        ("", ".lock: cannot be locked"),
        ("features", "features/mean-0123/cache.json: cannot be read"),
        ("features/mean-0123", "features/mean-0123/cache.json: cannot be read"),
        ("features/mean-0123/cache.json", "features/mean-0123/cache.json: cannot be read"),
        ("features/mean-0123/index.jsonl", "features/mean-0123/index.jsonl: cannot be read"),
    ],
)
def test_a_dataset_that_may_not_be_read_is_one_line_that_names_what(folder, locked, message):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder).exit_code == 0
    own(folder / "data")
    (folder / "data" / locked).chmod(0)
    with as_nobody():
        refused = prepare(folder)
    assert_refused(refused, f"{folder}/data/{message} (Permission denied)")
    (folder / "data" / locked).chmod(0o755)
    assert len(content_of(folder / "data")[1]) == 5


def test_a_file_in_place_of_the_output_is_one_line_and_stays(folder):
    add_photos(folder, 5, "a dog runs")
    (folder / "data").write_text("precious")
    assert_refused(prepare(folder), f"{folder / 'data'}: cannot be made (File exists)")
    assert (folder / "data").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cache.json", "mean-0123/cache.json: cannot be read (Is a directory)"),
        ("index.jsonl", "mean-0123/index.jsonl: cannot be read (Is a directory)"),
        ("rows.bin", "mean-0123: cannot be written (Is a directory)"),
        ("lock", "mean-0123/lock: cannot be locked (Is a directory)"),
    ],
)
def test_a_folder_in_place_of_a_file_of_the_features_is_one_line(folder, name, message):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder).exit_code == 0
    path = folder / "data" / "features" / "mean-0123" / name
    path.unlink()
    path.mkdir()
    assert_refused(prepare(folder), f"features/{message}")


@pytest.mark.parametrize("content", ["", "{}", '{"format": 1}', "no JSON"])
def test_features_that_are_no_cache_are_one_line_that_says_what_to_remove(folder, content):
    add_photos(folder, 5, "a dog runs")
    assert prepare(folder).exit_code == 0
    path = folder / "data" / "features" / "mean-0123"
    (path / "cache.json").write_text(content)
    message = f"{path}/cache.json: not of a cache that can be read; remove {path} to encode anew"
    assert_refused(prepare(folder), message)
    shutil.rmtree(path)
    assert prepare(folder).exit_code == 0
    assert len(content_of(folder / "data")[1]) == 5


# what is there already


@pytest.mark.parametrize("name", ["captions.jsonl", "vocabulary.txt", "dataset.json", "report.json"])
def test_a_file_of_the_user_s_own_is_never_overwritten(name, folder):
    add_photos(folder, 2, "a dog\n")
    (folder / "data").mkdir()
    (folder / "data" / name).write_text('{"mine": true}')
    result = prepare(folder)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {folder}/data/{name} would be overwritten; give another folder\n"
    assert {path.name: path.read_text() for path in (folder / "data").iterdir()} == {name: '{"mine": true}'}


def test_the_annotations_themselves_are_never_overwritten(folder):
    add_photos(folder, 1, "a dog\n")
    lines = '{"image": "000.png", "captions": ["a dog", "a black dog"]}\n'
    (folder / "photos" / "captions.jsonl").write_text(lines)
    command = ["prepare", str(folder / "photos" / "captions.jsonl"), str(folder / "photos"), "--min-count", "1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1 and "captions.jsonl would be overwritten" in result.stderr
    assert (folder / "photos" / "captions.jsonl").read_text() == lines


def test_a_dataset_of_another_source_is_never_overwritten(folder):
    add_photos(folder, 2, "a dog\n")
    assert prepare(folder).exit_code == 0
    before = content_of(folder / "data")
    (folder / "photos").rename(folder / "others")
    add_photos(folder, 1, "a cat\n")
    command = ["prepare", str(folder / "others"), str(folder / "data"), "--min-count", "1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert f"{folder}/data: holds a dataset prepared from {(folder / 'photos').resolve()}" in result.stderr
    assert content_of(folder / "data") == before


@pytest.mark.parametrize("content", ['{"format": 3, "sources": {}}', '{"format": 2', ""])
def test_a_dataset_that_cannot_be_read_is_not_overwritten_until_its_dataset_json_is_taken_away(folder, content):
    add_photos(folder, 2, "a dog\n")
    assert prepare(folder).exit_code == 0
    whole = content_of(folder / "data")
    (folder / "data" / "dataset.json").write_text(content)
    before = {path: path.read_bytes() for path in (folder / "data").rglob("*") if path.is_file()}
    result = prepare(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {folder}/data/dataset.json would be overwritten; give another folder\n"
    assert {path: path.read_bytes() for path in (folder / "data").rglob("*") if path.is_file()} == before
    (folder / "data" / "dataset.json").unlink()
    assert prepare(folder).exit_code == 0
    assert content_of(folder / "data") == whole


def test_a_report_replaces_an_earlier_report_and_nothing_else(folder):
    add_photos(folder, 2, "a dog\n")
    command = ["prepare", str(folder / "photos"), str(folder / "data"), "--check-only"]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert CliRunner().invoke(main, command).exit_code == 0
    assert prepare(folder).exit_code == 0
    (folder / "other").mkdir()
    (folder / "other" / "report.json").write_text("{}")
    result = CliRunner().invoke(main, ["prepare", str(folder / "photos"), str(folder / "other"), "--check-only"])
    assert result.exit_code == 1 and "report.json would be overwritten" in result.stderr
