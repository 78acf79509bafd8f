"""`captioner prepare`: exit codes, what goes to stdout, what goes to stderr."""

import json
import os
import subprocess
import sys
from threading import Lock

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from captioner.cli import main
from captioner.datasets import Dataset
from captioner.model_folder import EncoderInfo
from captioner.options import PrepareOptions

SPLITS = {"train": ["a.jpg", "b.jpg"], "dev": ["c.jpg"]}


class FakeEncoder:
    """The mean colour of the photo; breaks off like Ctrl-C at a photo of colour `fail_at`, in whatever thread."""

    key, image_size, num_regions, depth, quantization = "fake-0123", 8, 1, 3, None

    def __init__(self):
        self.seen, self.fail_at, self._lock = 0, None, Lock()

    def encode(self, images):
        if self.fail_at is not None and (images == self.fail_at).all():
            raise KeyboardInterrupt
        with self._lock:
            self.seen += len(images)
        return images.mean((1, 2))[:, None] / 255


@pytest.fixture
def encoder(monkeypatch):
    made = FakeEncoder()
    monkeypatch.setattr("captioner.encoders.opening.open_encoder", lambda path, key: made)
    return made


@pytest.fixture
def run(encoder, tmp_path):
    """`captioner prepare` into tmp_path/data; any traceback fails the test."""

    def invoke(source, *arguments):
        result = CliRunner().invoke(main, ["prepare", str(source), str(tmp_path / "data"), *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def photos(tmp_path):
    """Five photos with sidecars in split folders."""
    for number, name in enumerate(("train/a", "train/b", "train/c", "val/d", "test/e")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (50 * number, 0, 0)).save(path)
        path.with_suffix(".txt").write_text("a dog runs\nthe dog\n")
    return tmp_path / "photos"


@pytest.fixture
def flickr8k(tmp_path):
    """Three photos in the official layout, without a test split."""
    folder = tmp_path / "flickr8k"
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    for split, names in SPLITS.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")
        for name in names:
            Image.new("RGB", (9, 9), (ord(name[0]), 0, 0)).save(folder / "Flicker8k_Dataset" / name)
    tokens = [f"{name}#{i}\ta dog runs ." for names in SPLITS.values() for name in names for i in range(5)]
    (folder / "Flickr8k.token.txt").write_text("\n".join(tokens) + "\n")
    return folder


def assert_one_plain_error(result, exit_code, message):
    assert result.exit_code == exit_code
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert message in result.stderr.splitlines()[-1]


# what works


def test_a_whole_dataset_is_counted_on_stdout_and_nothing_failed(run, photos, tmp_path):
    result = run(photos, "--min-count", "1")
    assert result.exit_code == 0
    assert result.stdout == (
        "train: 3 photos, 6 captions\ndev: 1 photos, 2 captions\ntest: 1 photos, 2 captions\n"
        "vocabulary: 8 tokens, each seen 1 times or more\n"
    )
    assert result.stderr == f"{photos}: format sidecar, 5 photos with captions\n"
    assert Dataset.open(tmp_path / "data").splits == ("train", "dev", "test")


def test_flickr8k_is_recognised_and_a_lacking_split_is_no_failure(run, flickr8k, tmp_path):
    result = run(flickr8k)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == ["train: 2 photos, 10 captions", "dev: 1 photos, 5 captions"]
    sources = json.loads((tmp_path / "data" / "dataset.json").read_text())["sources"]
    assert [(name, source["format"]) for name, source in sources.items()] == [("flickr8k", "flickr8k")]


def test_options_reach_the_dataset(run, photos, tmp_path):
    for path in [*photos.rglob("*.*")]:
        path.rename(photos / path.name)
    result = run(photos, "--min-count", "2", "--split", "3,1,1", "--seed", "7", "--format", "sidecar")
    assert result.exit_code == 0
    options = json.loads((tmp_path / "data" / "dataset.json").read_text())["options"]
    expected = {"min_count": 2, "split": [3.0, 1.0, 1.0], "seed": 7, "encoder": "efficientnet-lite2-320"}
    assert options.items() >= expected.items()
    assert result.stdout.startswith("train: 3 photos, 6 captions\ndev: 1 photos")


def test_without_a_min_count_every_word_of_a_few_captions_is_learned_and_the_count_is_recorded(run, photos, tmp_path):
    (photos / "train" / "a.txt").write_text("an aardvark\n")
    result = run(photos)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "vocabulary: 10 tokens, each seen 1 times or more"
    assert "aardvark" in Dataset.open(tmp_path / "data").tokenizer.tokens
    info = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert (info["tokenizer"]["min_count"], info["options"]["min_count"]) == (1, None)


def test_a_min_count_that_leaves_few_words_is_said_with_what_learns_them_all(run, photos):
    result = run(photos, "--min-count", "4")
    assert result.stdout.splitlines()[-1] == "vocabulary: 5 tokens, each seen 4 times or more"
    assert result.stderr.splitlines()[-1] == (
        "few words are seen 4 times in the train captions; --min-count 1 learns them all"
    )


@pytest.mark.parametrize(("arguments", "precision"), [([], "int8"), (["--encoder-precision", "float"], "float")])
def test_the_graph_is_found_by_name_and_precision_for_the_train_photos(
    run, photos, tmp_path, monkeypatch, arguments, precision
):
    asked = []
    monkeypatch.setattr("captioner.encoders.opening.find_graph", lambda *asked_for: asked.append(asked_for) or (0, ""))
    assert run(photos, *arguments).exit_code == 0
    train = [photos / "train" / f"{name}.png" for name in "abc"]
    assert [given[:-1] for given in asked] == [("efficientnet-lite2-320", precision, tmp_path / "data", train)]
    assert json.loads((tmp_path / "data" / "dataset.json").read_text())["options"]["encoder_precision"] == precision


def test_captions_and_photos_may_lie_elsewhere(run, flickr8k, tmp_path):
    (flickr8k / "Flicker8k_Dataset").rename(tmp_path / "elsewhere")
    other = tmp_path / "korean.txt"
    other.write_text("a.jpg#0\t개가 뛴다\nb.jpg#0\t개가 잔다\nc.jpg#0\t개\n", encoding="utf-8")
    result = run(flickr8k, "--captions", str(other), "--images", str(tmp_path / "elsewhere"), "--min-count", "2")
    assert result.exit_code == 0
    assert Dataset.open(tmp_path / "data").tokenizer.tokens[4:] == ("개가",)


def test_a_second_run_encodes_nothing_and_says_the_same(run, photos, encoder):
    first = run(photos, "--min-count", "1")
    second = run(photos, "--min-count", "1")
    assert encoder.seen == 5
    assert (second.exit_code, second.stdout) == (0, first.stdout)


def test_the_photos_stay_as_they_are(run, photos):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.*")}
    run(photos, "--min-count", "1")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.*")} == before


def test_the_shipped_encoder_prepares_a_dataset_from_a_shell(photos, tmp_path):
    command = [sys.executable, "-m", "captioner", "prepare", str(photos), str(tmp_path / "data"), "--min-count", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"{photos}: format sidecar, 5 photos with captions\n")
    dataset = Dataset.open(tmp_path / "data")
    encoder = EncoderInfo(**dataset.info["encoder"])
    (folder,) = (tmp_path / "data" / "features").iterdir()
    assert (folder.name, encoder.precision) == (encoder.key, "int8")
    assert (folder / "rows.bin").stat().st_size == 5 * encoder.num_regions * encoder.depth
    features, rows = dataset.features_of(list(dataset.examples), encoder)
    assert features[rows].shape == (5, 100, encoder.depth)
    assert (np.abs(features[rows]).max((1, 2)) > 0).all()


# what is lost


def test_corrupt_photos_give_exit_code_1_and_are_named_last_while_the_rest_is_done(run, photos, tmp_path):
    (photos / "train" / "a.png").write_text("a letter")
    (photos / "val" / "d.png").write_bytes((photos / "val" / "d.png").read_bytes()[:-30])
    (photos / "test" / "e.txt").unlink()
    result = run(photos, "--min-count", "1")
    assert result.exit_code == 1
    assert result.stdout.startswith("train: 2 photos, 4 captions\nvocabulary:")
    assert len(Dataset.open(tmp_path / "data").examples) == 2
    *earlier, count, first, second = result.stderr.splitlines()
    assert earlier[1].startswith("no photo is in a dev split")
    assert earlier[2:] == ["left out: 1 no caption", "left out: no caption: test/e.png"]
    assert count == "failed: 2 corrupt photo"
    assert first == "failed: corrupt photo: train/a.png (not an image of a known format)"
    assert second.startswith("failed: corrupt photo: val/d.png (broken or cut short (")


def test_captionless_photos_are_named_and_no_failure(run, photos):
    (photos / "train" / "a.txt").unlink()
    result = run(photos, "--min-count", "1")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1:] == ["left out: 1 no caption", "left out: no caption: train/a.png"]


def test_a_split_naming_an_absent_photo_gives_exit_code_1(run, flickr8k):
    (flickr8k / "Flicker8k_Dataset" / "b.jpg").unlink()
    result = run(flickr8k)
    assert result.exit_code == 1
    assert result.stdout.startswith("train: 1 photos, 5 captions\ndev: 1 photos, 5 captions\n")
    assert result.stderr.splitlines()[-1] == "failed: missing photo: b.jpg (train split)"


def test_a_broken_line_is_named_with_its_file_and_number_and_gives_exit_code_1(run, flickr8k, tmp_path):
    path = flickr8k / "Flickr8k.token.txt"
    lines = path.read_text().splitlines()
    lines[6] = "b.jpg#1 no tab here"
    path.write_text("\n".join(lines))
    result = run(flickr8k)
    assert result.exit_code == 1
    assert result.stdout.startswith("train: 2 photos, 9 captions\n")
    expected = f"failed: broken line: {path}, line 7 (expected name.jpg#0, a tab, then the caption)"
    assert result.stderr.splitlines()[-1] == expected


def test_of_very_many_failures_the_first_are_named_and_the_rest_counted(run, photos, tmp_path):
    for number in range(30):
        (photos / "train" / f"broken{number:02}.png").write_bytes(b"")
        (photos / "train" / f"broken{number:02}.txt").write_text("x")
    result = run(photos, "--min-count", "1")
    assert result.exit_code == 1
    assert "failed: 30 corrupt photo" in result.stderr
    assert result.stderr.splitlines()[-1] == "failed: and 10 more"
    assert len(Dataset.open(tmp_path / "data").info["problems"]) == 30


# what cannot be done


def test_a_missing_source_is_one_line_and_exit_code_1(run, tmp_path):
    assert_one_plain_error(run(tmp_path / "gone"), 1, f"{tmp_path / 'gone'}: no such folder")
    assert not (tmp_path / "data").exists()


def test_an_empty_source_is_one_line_and_exit_code_1(run, tmp_path):
    (tmp_path / "empty").mkdir()
    known = "flickr8k, flickr30k, karpathy, coco, imagefolder, jsonl, csv, sidecar"
    assert_one_plain_error(run(tmp_path / "empty"), 1, f"no dataset of a known format in it; known are {known}")


def test_a_file_that_holds_no_captions_is_one_line_and_exit_code_1(run, tmp_path):
    (tmp_path / "file").touch()
    assert_one_plain_error(run(tmp_path / "file"), 1, "file: of no known format (flickr8k: the file is empty")
    assert_one_plain_error(run(tmp_path / "file", "--format", "sidecar"), 1, "file: not a folder")


def test_missing_captions_or_photos_are_one_line_and_exit_code_1(run, flickr8k, tmp_path):
    assert_one_plain_error(run(flickr8k, "--captions", "gone.txt"), 1, "gone.txt: no such file (--captions)")
    assert_one_plain_error(run(flickr8k, "--images", "gone"), 1, "gone: no such folder (--images)")


def test_too_high_a_min_count_is_one_line_and_exit_code_1(run, photos, encoder):
    assert_one_plain_error(run(photos, "--min-count", "99"), 1, "no word is seen 99 times in 6 train captions")
    assert encoder.seen == 0


def test_no_train_photo_is_one_line_and_exit_code_1(run, photos):
    for path in (photos / "train").iterdir():
        path.unlink()
    assert_one_plain_error(run(photos), 1, "no photo of a train split can be used")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("data", "data: cannot be made (File exists)"),
        ("data/features", "data/features/fake-0123: cannot be made (Not a directory)"),
        ("data/features/fake-0123", "data/features/fake-0123: cannot be made (File exists)"),
    ],
)
def test_a_file_where_a_folder_must_be_is_one_line_and_exit_code_1(run, photos, tmp_path, place, message):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).touch()
    assert_one_plain_error(run(photos, "--min-count", "1"), 1, f"{tmp_path}/{message}")


@pytest.mark.parametrize("name", ["dataset.json", "captions.jsonl", "vocabulary.txt"])
def test_a_folder_where_a_file_must_be_is_one_line_and_exit_code_1(run, photos, tmp_path, name):
    (tmp_path / "data" / name).mkdir(parents=True)
    assert_one_plain_error(run(photos, "--min-count", "1"), 1, f"{tmp_path / 'data' / name} would be overwritten")


# other formats


def test_a_table_with_columns_of_other_names_is_prepared(run, photos, tmp_path):
    table = tmp_path / "captions.tsv"
    table.write_text("foto\twords\tsplit\n" + "".join(f"train/{n}.png\ta dog, {n}\ttrain\n" for n in "abc"))
    result = run(table, "--image-column", "foto", "--caption-column", "words", "--images", photos, "--min-count", "1")
    assert result.exit_code == 0
    dataset = Dataset.open(tmp_path / "data")
    assert [example.captions for example in dataset.examples] == [("a dog, a",), ("a dog, b",), ("a dog, c",)]
    assert dataset.photo_path(dataset.examples[0]) == photos / "train" / "a.png"
    assert dataset.info["options"]["image_column"] == "foto"


def test_missing_columns_are_one_line_that_names_those_there_are(run, photos, tmp_path):
    table = tmp_path / "captions.csv"
    table.write_text("foto,text\na.png,x\n")
    assert_one_plain_error(run(table), 1, f"{table}, line 1: no column image or file_name or ")
    assert "; found foto, text" in run(table).stderr


# the same photo twice


@pytest.fixture
def leaking(photos):
    """The photos, one of train and one of test being the same."""
    (photos / "test" / "e.png").write_bytes((photos / "train" / "b.png").read_bytes())
    return photos


def test_a_photo_in_two_splits_is_named_and_refused_before_anything_is_encoded(run, leaking, encoder, tmp_path):
    expected = (
        "1 photo is in more than one split: test/e.png (test) = train/b.png (train); take the copies away, or give"
    )
    assert_one_plain_error(run(leaking, "--min-count", "1"), 1, expected)
    assert encoder.seen == 0 and not (tmp_path / "data").exists()


def test_a_photo_in_two_splits_is_prepared_where_it_is_allowed_and_reported(run, leaking, tmp_path):
    assert run(leaking, "--min-count", "1", "--allow-split-leaks").exit_code == 0
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    assert report["split_leaks"] == [
        [{"image": "test/e.png", "split": "test"}, {"image": "train/b.png", "split": "train"}]
    ]
    assert json.loads((tmp_path / "data" / "dataset.json").read_text())["options"]["allow_split_leaks"] is True


def test_the_same_photo_twice_in_a_split_is_reported_and_no_failure(run, photos, tmp_path):
    (photos / "train" / "a.png").write_bytes((photos / "train" / "b.png").read_bytes())
    assert run(photos, "--min-count", "1").exit_code == 0
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    assert report["copies"] == [["train/a.png", "train/b.png"]] and report["split_leaks"] == []


def test_copies_without_a_split_of_their_own_are_drawn_together(run, photos):
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        path.with_suffix(".txt").rename(photos / f"{number}.txt")
        path.rename(photos / f"{number}.png")
        (photos / f"copy{number}.png").write_bytes((photos / f"{number}.png").read_bytes())
        (photos / f"copy{number}.txt").write_text("a dog runs\n")
    assert run(photos, "--min-count", "1", "--split", "1,1,1").exit_code == 0


# only checking


def check(*arguments):
    return CliRunner().invoke(main, ["prepare", "--check-only", *map(str, arguments)])


def test_a_check_reports_on_stdout_and_writes_nothing(photos, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = check(photos)
    assert result.exit_code == 0
    assert result.stdout.startswith("photos      5 (train 3, dev 1, test 1)\ncaptions    10, 2 to 2 a photo, 2.0 on")
    assert result.stderr == f"{photos}: format sidecar, 5 photos with captions\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_check_with_an_output_folder_writes_the_report_that_preparing_writes(run, photos, tmp_path):
    assert check(photos, tmp_path / "report").exit_code == 0
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.json"]
    run(photos, "--min-count", "1")
    expected = (tmp_path / "data" / "report.json").read_bytes()
    assert (tmp_path / "report" / "report.json").read_bytes() == expected


def test_a_check_names_what_preparing_would_refuse(leaking):
    result = check(leaking)
    assert result.exit_code == 1
    assert "photos in two splits: 1\n  test/e.png (test) = train/b.png (train)" in result.stdout
    assert result.stderr.splitlines()[-1] == ("failed: photo in two splits: test/e.png (test) = train/b.png (train)")
    assert check(leaking, "--allow-split-leaks").exit_code == 0


def test_a_check_finds_photos_that_are_broken(photos):
    (photos / "train" / "b.png").write_bytes((photos / "train" / "b.png").read_bytes()[:-30])
    result = check(photos)
    assert result.exit_code == 1
    assert "corrupt photos: 1\n  train/b.png\n" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("failed: corrupt photo: train/b.png (broken or cut short (")


def test_only_a_check_goes_without_an_output_folder(photos):
    result = CliRunner().invoke(main, ["prepare", str(photos)])
    assert_one_plain_error(result, 2, "Missing argument 'OUTPUT_DIR'; only --check-only goes without")


def test_options_of_before_these_are_still_read():
    old = {"format": "auto", "encoder": "efficientnet-lite2", "min_count": 5, "split": [0.8, 0.1, 0.1], "seed": 0}
    assert PrepareOptions.from_json(old) == PrepareOptions(encoder="efficientnet-lite2", min_count=5)


# wrong options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-count", "0"], "min-count must be at least 1, not 0"),
        (["--min-count", "few"], "few"),
        (["--split", "0.8,0.2"], "split must be three shares"),
        (["--split", "most"], "split must be three shares such as 0.8,0.1,0.1, not 'most'"),
        (["--split", "0,0.5,0.5"], "split must leave photos to train on"),
        (["--split", "nan,1,1"], "split must be three shares"),
        (["--split", "inf,1,1"], "split must be three shares"),
        (["--split", "1,-1,1"], "split must be three shares"),
        (["--format", "xml"], "xml"),
        (["--encoder-precision", "int4"], "int4"),
        (["--add", "=photos"], "photos: a source cannot be named ''; give --add NAME=SOURCE"),
        (["--captions", __file__], "--captions does not go with the format sidecar"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_options_give_exit_code_2_before_anything_is_made(run, photos, tmp_path, arguments, message):
    assert_one_plain_error(run(photos, *arguments), 2, message)
    assert not (tmp_path / "data").exists()


def test_an_unknown_encoder_gives_exit_code_2(photos, tmp_path):
    command = ["prepare", str(photos), str(tmp_path / "data"), "--encoder", "resnet"]
    assert_one_plain_error(CliRunner().invoke(main, command), 2, "unknown encoder 'resnet'; choose efficientnet-lite2")


def test_the_source_as_output_gives_exit_code_2(encoder, photos):
    result = CliRunner().invoke(main, ["prepare", str(photos), str(photos)])
    assert_one_plain_error(result, 2, "is the source; name another folder")


@pytest.mark.parametrize("arguments", [[], ["one"], ["one", "two", "three"]])
def test_too_few_or_too_many_folders_give_exit_code_2(arguments):
    assert CliRunner().invoke(main, ["prepare", *arguments]).exit_code == 2


# interrupted


def test_an_interrupted_run_gives_exit_code_130_and_goes_on_where_it_stopped(run, photos, encoder, tmp_path):
    for number in range(20):
        Image.new("RGB", (9, 9), (number, 9, 9)).save(photos / "train" / f"more{number}.png")
        (photos / "train" / f"more{number}.txt").write_text("a dog")
    encoder.fail_at = (10, 9, 9)
    interrupted = run(photos, "--min-count", "1")
    assert interrupted.exit_code == 130
    assert interrupted.stdout.strip() == "" and interrupted.stderr.splitlines()[-1] == "interrupted"
    num_done = (tmp_path / "data" / "features" / "fake-0123" / "index.jsonl").read_bytes().count(b"\n")
    assert 0 < num_done <= encoder.seen < 25
    encoder.seen, encoder.fail_at = 0, None
    assert run(photos, "--min-count", "1").exit_code == 0
    assert encoder.seen == 25 - num_done
    assert [name for name in os.listdir(tmp_path / "data") if name.startswith(".")] == [".lock"]
