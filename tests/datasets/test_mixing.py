"""Several sources as one dataset: `captioner prepare SOURCE OUTPUT_DIR --add OTHER`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.datasets import Annotations, Dataset, Example, NamedSource, name_sources, read_source
from captioner.datasets.mixing import Mix, strange_to_each_other
from captioner.errors import DatasetError, OptionsError
from captioner.images import read_image

TOWN = ["train/1.png", "train/2.png", "train/3.png", "val/4.png", "test/5.png"]
SEA = [f"{number}.png" for number in range(1, 11)]


@pytest.fixture
def town(tmp_path, make_sidecars):
    """Five photos with splits of their own."""
    return make_sidecars(tmp_path / "town", TOWN, "a red car\na car\n")


@pytest.fixture
def sea(tmp_path, make_sidecars):
    """Ten photos without splits."""
    return make_sidecars(tmp_path / "sea", SEA, "a small boat\n", first=50)


@pytest.fixture
def encoder(monkeypatch, fake_encoder):
    made = fake_encoder()
    monkeypatch.setattr("captioner.encoders.opening.find_graph", lambda *arguments: (None, None))
    monkeypatch.setattr("captioner.encoders.opening.open_encoder", lambda path, key: made)
    return made


@pytest.fixture
def run(encoder, tmp_path):
    """`captioner prepare` into tmp_path/data; any traceback fails the test."""

    def invoke(*arguments, output_dir=tmp_path / "data"):
        source, *others = map(str, arguments)
        result = CliRunner().invoke(main, ["prepare", source, str(output_dir), *others])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def mix(run, town, sea, tmp_path):
    """The town and the sea, mixed."""
    assert run(town, "--add", sea).exit_code == 0
    return Dataset.open(tmp_path / "data")


def split_of(dataset):
    return {example.image: example.split for example in dataset.examples}


def files_of(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def assert_refused(result, exit_code, message):
    """The last line is the error; nothing is counted."""
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.splitlines()[-1] == f"Error: {message}"


# names


def test_a_source_is_named_by_its_stem_unless_a_name_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [(None, Path("data/flickr8k")), (None, Path("coco.json")), ("mine", Path("photos")), (None, Path("."))]
    assert [name for name, _ in name_sources(given)] == ["flickr8k", "coco", "mine", tmp_path.name]
    assert [path for _, path in name_sources(given)] == [path for _, path in given]


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a=b", "a,b", " a", "a\t"])
def test_what_cannot_be_a_name_is_refused(name):
    expected = f"other: a source cannot be named {name!r}; give --add NAME=SOURCE"
    with pytest.raises(OptionsError) as caught:
        name_sources([(None, Path("photos")), (name, Path("other"))])
    assert str(caught.value) == expected


@pytest.mark.parametrize("name", ["a,b", "a=b", " a"])
def test_a_source_that_is_alone_may_have_any_name(run, tmp_path, make_sidecars, name):
    source = make_sidecars(tmp_path / name, TOWN)
    assert run(source).exit_code == 0
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.sources == (name,) and dataset.examples[0].image == "test/5.png"
    assert dataset.photo_path(dataset.examples[0]) == source / "test" / "5.png"


def test_two_sources_of_one_name_are_refused_with_advice(run, town, tmp_path):
    shutil.copytree(town, tmp_path / "other" / "town")
    assert_refused(
        run(town, "--add", tmp_path / "other" / "town"), 2, "two sources are named 'town'; give --add NAME=SOURCE"
    )
    assert not (tmp_path / "data").exists()


def test_a_source_that_is_added_twice_is_refused(run, town, sea, tmp_path):
    (tmp_path / "link").symlink_to(sea)
    weights = "--source-weights of `captioner train` has it seen more often"
    for again in (sea, f"other={sea}", tmp_path / "link", tmp_path / "town" / ".." / "sea"):
        result = run(town, "--add", sea, "--add", again)
        assert_refused(result, 2, f"{sea}: added twice; {weights}")
    assert_refused(run(town, "--add", f"again={town}"), 2, f"{town}: added twice; {weights}")
    assert not (tmp_path / "data").exists()


def test_a_name_is_given_before_the_source(run, town, sea, tmp_path):
    assert run(town, "--add", f"water={sea}").exit_code == 0
    assert Dataset.open(tmp_path / "data").sources == ("town", "water")


def test_a_path_with_an_equals_sign_that_exists_is_a_path(run, town, tmp_path, make_sidecars):
    make_sidecars(tmp_path / "a=sea", SEA, first=50)
    assert run(town, "--add", f"b={tmp_path / 'a=sea'}").exit_code == 0
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.info["sources"]["b"]["source"] == str(tmp_path / "a=sea")
    result = run(town, "--add", tmp_path / "a=sea", output_dir=tmp_path / "other")
    assert_refused(result, 2, f"{tmp_path / 'a=sea'}: a source cannot be named 'a=sea'; give --add NAME=SOURCE")


# what is prepared


def test_photos_of_one_name_are_kept_apart_with_their_captions(run, tmp_path, make_sidecars, encoder):
    one = make_sidecars(tmp_path / "one", ["train/a.png", "train/b.png"], "a red car\n")
    two = make_sidecars(tmp_path / "two", ["train/a.png", "train/b.png"], "a small boat\n", first=9)
    assert run(one, "--add", two).exit_code == 0
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.examples == (
        Example("one/train/a.png", ("a red car",), "train", "one"),
        Example("one/train/b.png", ("a red car",), "train", "one"),
        Example("two/train/a.png", ("a small boat",), "train", "two"),
        Example("two/train/b.png", ("a small boat",), "train", "two"),
    )
    paths = [dataset.photo_path(example) for example in dataset.examples]
    assert paths == [folder / "train" / name for folder in (one, two) for name in ("a.png", "b.png")]
    features, rows = dataset.features_of(list(dataset.examples), encoder)
    for path, row in zip(paths, rows, strict=True):
        expected = encoder.encode(read_image(path, 8)[None])[0].astype(np.float16)
        np.testing.assert_array_equal(features[row], expected.astype(np.float32))
    assert len({features[row].tobytes() for row in rows}) == 4
    assert (tmp_path / "data" / "captions.jsonl").read_text().splitlines()[2] == (
        '{"image": "two/train/a.png", "split": "train", "captions": ["a small boat"], "source": "two"}'
    )
    assert set(dataset.tokenizer.tokens[4:]) == {"a", "red", "car", "small", "boat"}


def test_each_source_has_its_own_format_and_photo_folder(run, town, tmp_path, make_photos):
    make_photos(tmp_path / "tables" / "photos", ["x.png", "y.png"], first=70)
    table = tmp_path / "tables" / "harbour.csv"
    table.write_text("image,caption,split\nphotos/x.png,a big boat,train\nphotos/y.png,the boat,test\n")
    result = run(town, "--add", table)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        f"{town}: format sidecar, 5 photos with captions",
        f"{table}: format csv, 2 photos with captions",
    ]
    info = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert info["sources"] == {
        "town": {"source": str(town), "format": "sidecar", "images_dir": str(town)},
        "harbour": {"source": str(table), "format": "csv", "images_dir": str(table.parent)},
    }
    dataset = Dataset.open(tmp_path / "data")
    (example,) = dataset.split("train", "harbour")
    assert dataset.photo_path(example) == table.parent / "photos" / "x.png"


def test_options_on_how_captions_are_laid_out_are_of_the_first_source(run, sea, tmp_path, make_photos):
    make_photos(tmp_path / "photos", ["x.png"], first=70)
    table = tmp_path / "table.csv"
    table.write_text("foto,words,split\nx.png,a boat,train\n")
    columns = "--format", "csv", "--images", tmp_path / "photos", "--image-column", "foto", "--caption-column", "words"
    assert run(table, "--add", sea, *columns).exit_code == 0
    info = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert [source["format"] for source in info["sources"].values()] == ["csv", "sidecar"]


def test_each_source_has_its_own_splits(run, mix, town, sea, tmp_path):
    run(town, output_dir=tmp_path / "town_alone")
    run(sea, output_dir=tmp_path / "sea_alone")
    alone = {
        f"{name}/{image}": split
        for name in ("town", "sea")
        for image, split in split_of(Dataset.open(tmp_path / f"{name}_alone")).items()
    }
    assert split_of(mix) == alone
    assert set(alone.values()) == {"train", "dev", "test"}


def test_a_split_is_given_whole_or_of_one_source(mix):
    whole = mix.split("train")
    of_town, of_sea = mix.split("train", "town"), mix.split("train", "sea")
    assert [len(whole), len(of_town), len(of_sea)] == [11, 3, 8]
    assert {example.image for example in of_town + of_sea} == {example.image for example in whole}
    assert {example.source for example in of_sea} == {"sea"}


def test_a_source_that_is_not_there_is_named_with_those_there_are(mix, run, town, tmp_path):
    with pytest.raises(DatasetError, match=r"data: no source 'air'; it has town, sea$"):
        mix.split("train", "air")
    run(town, output_dir=tmp_path / "alone")
    with pytest.raises(DatasetError, match=r"alone: not mixed, so it has no source 'town'$"):
        Dataset.open(tmp_path / "alone").split("train", "town")


def test_a_source_without_that_split_is_named(run, town, tmp_path, make_sidecars):
    make_sidecars(tmp_path / "sea", ["train/1.png"], first=50)
    run(town, "--add", tmp_path / "sea")
    with pytest.raises(DatasetError, match=r"data: sea has no test split$"):
        Dataset.open(tmp_path / "data").split("test", "sea")


def test_sources_are_counted_on_stdout_and_in_the_report(mix, run, town, sea, tmp_path):
    result = run(town, "--add", sea)
    assert result.stdout.splitlines() == [
        "train: 11 photos, 14 captions",
        "dev: 2 photos, 3 captions",
        "test: 2 photos, 3 captions",
        "  town: 5 photos (train 3, dev 1, test 1), 10 captions",
        "  sea: 10 photos (train 8, dev 1, test 1), 10 captions",
        "vocabulary: 9 tokens, each seen 1 times or more",
    ]
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    assert report["sources"]["town"]["train"] == {"photos": 3, "captions": 6}
    assert report["sources"]["sea"] == {
        "train": {"photos": 8, "captions": 8},
        "dev": {"photos": 1, "captions": 1},
        "test": {"photos": 1, "captions": 1},
    }


def test_a_check_tells_the_sources_apart_as_the_report_does(run, mix, town, sea, tmp_path):
    result = CliRunner().invoke(
        main, ["prepare", "--check-only", str(town), str(tmp_path / "report"), "--add", str(sea)]
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:3] == [
        "photos      15 (train 11, dev 2, test 2)",
        "  town: 5 photos (train 3, dev 1, test 1), 10 captions",
        "  sea: 10 photos (train 8, dev 1, test 1), 10 captions",
    ]
    assert (tmp_path / "report" / "report.json").read_bytes() == (tmp_path / "data" / "report.json").read_bytes()


def test_what_is_lost_is_named_with_its_source(run, town, sea, tmp_path, make_photos):
    (town / "train" / "2.png").write_text("a letter")
    (sea / "3.png").unlink()
    (sea / "3.png").symlink_to("nowhere.png")
    make_photos(sea, ["silent.png"], first=90)
    result = run(town, "--add", sea)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[2:] == [
        "left out: 1 no caption",
        "left out: no caption: sea: silent.png",
        "failed: 1 corrupt photo, 1 missing photo",
        "failed: missing photo: sea/3.png",
        "failed: corrupt photo: town/train/2.png (not an image of a known format)",
    ]
    assert len(Dataset.open(tmp_path / "data").examples) == 13


def test_a_second_run_encodes_nothing_and_writes_the_same(run, mix, encoder, town, sea):
    before = {path: content for path, (content, _) in files_of(mix.folder).items()}
    encoder.seen = 0
    assert run(town, "--add", sea).exit_code == 0
    assert encoder.seen == 0
    assert {path: content for path, (content, _) in files_of(mix.folder).items()} == before


def test_a_source_that_mixes_alone_and_others_are_refused_in_that_folder(run, mix, town, sea, tmp_path, make_sidecars):
    other = make_sidecars(tmp_path / "other", SEA, first=150)
    before = files_of(mix.folder)
    there = f"{tmp_path / 'data'}: holds a dataset prepared from {town} and {sea}; give another folder"
    for arguments in ([town], [sea, "--add", town], [town, "--add", other], [town, "--add", sea, "--add", other]):
        assert_refused(run(*arguments), 1, there)
    assert files_of(mix.folder) == before


def test_a_source_is_never_the_output(run, town, sea):
    before = files_of(sea)
    result = run(town, "--add", sea, output_dir=sea)
    assert_refused(result, 2, f"{sea}: is the source; name another folder for what is prepared from it")
    assert files_of(sea) == before


# the same photo twice


def test_a_photo_in_two_sources_and_two_splits_is_refused_naming_both(run, town, tmp_path, make_sidecars, encoder):
    other = make_sidecars(tmp_path / "other", ["train/x.png", "train/y.png"], first=50)
    (other / "train" / "y.png").write_bytes((town / "test" / "5.png").read_bytes())
    leak = "town/test/5.png (test) = other/train/y.png (train)"
    advice = "take the copies away, or give --allow-split-leaks"
    message = f"{town} and {other}: 1 photo is in more than one split: {leak}; {advice}"
    assert_refused(run(town, "--add", other), 1, message)
    assert encoder.seen == 0 and not (tmp_path / "data").exists()
    result = CliRunner().invoke(main, ["prepare", "--check-only", str(town), "--add", str(other)])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"failed: photo in two splits: {leak}"
    assert run(town, "--add", other, "--allow-split-leaks").exit_code == 0


def test_a_photo_in_two_sources_of_which_one_has_no_splits_follows_the_other(run, town, sea, tmp_path):
    for number, name in enumerate(TOWN, start=1):
        (sea / f"{number}.png").write_bytes((town / name).read_bytes())
    assert run(sea, "--add", town).exit_code == 0
    splits = split_of(Dataset.open(tmp_path / "data"))
    for number, name in enumerate(TOWN, start=1):
        assert splits[f"sea/{number}.png"] == splits[f"town/{name}"]


# prepared folders as sources


def test_a_prepared_folder_is_added_with_its_captions_splits_and_photos(run, town, sea, tmp_path):
    run(sea, "--seed", "5", "--split", "1,1,1", output_dir=tmp_path / "prepared")
    prepared = Dataset.open(tmp_path / "prepared")
    result = run(town, "--add", tmp_path / "prepared")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1] == f"{tmp_path / 'prepared'}: format prepared, 10 photos with captions"
    dataset = Dataset.open(tmp_path / "data")
    found = {example.name: example for example in dataset.examples if example.source == "prepared"}
    assert {name: example.split for name, example in found.items()} == split_of(prepared)
    assert dataset.photo_path(found["3.png"]) == sea / "3.png"
    assert dataset.info["sources"]["prepared"] == {
        "source": str(tmp_path / "prepared"),
        "format": "prepared",
        "images_dir": str(sea),
    }


def test_a_prepared_folder_may_come_first_and_be_named(run, town, sea, tmp_path):
    run(sea, output_dir=tmp_path / "prepared")
    assert run(tmp_path / "prepared", "--add", f"streets={town}").exit_code == 0
    assert Dataset.open(tmp_path / "data").sources == ("prepared", "streets")


@pytest.mark.parametrize(
    "options", [["--format", "jsonl"], ["--captions", __file__], ["--images", "."], ["--image-column", "foto"]]
)
def test_a_prepared_folder_with_options_on_how_captions_are_laid_out_is_refused(run, sea, tmp_path, options):
    run(sea, output_dir=tmp_path / "prepared")
    message = "prepared already; options that say how captions are laid out do not go with it"
    assert_refused(run(tmp_path / "prepared", *options), 2, f"{tmp_path / 'prepared'}: {message}")


def test_a_mixed_folder_is_not_mixed_again(run, mix, tmp_path, make_sidecars):
    other = make_sidecars(tmp_path / "other", SEA, first=150)
    message = f"{mix.folder}: mixed already of town, sea; mix what it is of"
    assert_refused(run(other, "--add", mix.folder, output_dir=tmp_path / "more"), 1, message)
    with pytest.raises(DatasetError) as caught:
        read_source("mix", mix.folder)
    assert str(caught.value) == message


def test_a_folder_that_an_earlier_version_prepared_is_not_added(run, town, sea, tmp_path):
    (tmp_path / "old").mkdir()
    old = {"format": 1, "source": str(sea), "source_format": "sidecar", "images_dir": str(sea)}
    (tmp_path / "old" / "dataset.json").write_text(json.dumps(old))
    (tmp_path / "old" / "captions.jsonl").write_text('{"image": "1.png", "split": "train", "captions": ["x"]}\n')
    message = "not of a version that this captioner reads; run `captioner prepare` again"
    assert_refused(run(town, "--add", tmp_path / "old"), 1, f"{tmp_path / 'old'}: {message}")


# languages


def source_of(name, *captions):
    examples = [Example(f"{number}.png", (caption,), None) for number, caption in enumerate(captions)]
    return NamedSource(name, Path(name), "sidecar", Annotations(Path(name), examples))


ENGLISH = "a dog runs on the green grass", "two men are standing in front of a red car", "a woman in a hat is smiling"
ALSO_ENGLISH = "the boat is in the water", "a man sits on a bench", "a red bus parked on a street"
GERMAN = "ein Hund rennt auf der Wiese", "zwei Männer stehen vor einem roten Auto", "eine Frau mit Hut lächelt"
KOREAN = "개가 잔디밭을 뛰어간다", "빨간 옷을 입은 남자", "모자를 쓴 여자가 웃는다"


def test_sources_in_different_languages_are_strange_to_each_other():
    sources = [source_of("en", *ENGLISH), source_of("more", *ALSO_ENGLISH), source_of("ko", *KOREAN)]
    assert strange_to_each_other(sources) == [("en", "ko"), ("more", "ko")]
    assert strange_to_each_other([source_of("en", *ENGLISH), source_of("de", *GERMAN)]) == [("en", "de")]
    assert strange_to_each_other(sources[:2]) == strange_to_each_other(sources[:1]) == []
    assert strange_to_each_other([source_of("digits", "1 2 3"), source_of("en", *ENGLISH)]) == []


def test_languages_that_differ_are_said_and_not_refused(run, town, tmp_path, make_sidecars):
    korean = make_sidecars(tmp_path / "korean", SEA, "개가 뛴다\n", first=50)
    result = run(town, "--add", korean)
    assert result.exit_code == 0
    said = "town and korean have few words in common: are their captions in one language?"
    assert result.stderr.splitlines()[2:] == [said]
    assert {"a", "개가"} <= set(Dataset.open(tmp_path / "data").tokenizer.tokens)


# the mix itself


def test_a_source_alone_keeps_its_names():
    alone = source_of("en", *ENGLISH)
    mix = Mix.of([alone])
    assert mix.examples == alone.annotations.examples and mix.title == "en"
    assert mix.paths["0.png"] == Path("en/0.png")
    assert [example.name for example in mix.examples] == ["0.png", "1.png", "2.png"]


def test_names_in_a_mix_lead_back_to_the_names_of_the_source():
    mix = Mix.of([source_of("en", *ENGLISH), source_of("ko", *KOREAN)])
    assert [example.image for example in mix.examples[2:4]] == ["en/2.png", "ko/0.png"]
    assert [example.name for example in mix.examples[2:4]] == ["2.png", "0.png"]
    assert mix.paths["ko/0.png"] == Path("ko/0.png") and mix.title == "en and ko"


def test_a_folder_of_photos_named_like_its_source_is_no_trouble(run, town, tmp_path, make_sidecars):
    other = make_sidecars(tmp_path / "sea", ["sea/train/1.png", "sea/train/2.png"], first=50)
    assert run(town, "--add", other).exit_code == 0
    dataset = Dataset.open(tmp_path / "data")
    example = next(example for example in dataset.examples if example.source == "sea")
    assert (example.image, example.name) == ("sea/sea/train/1.png", "sea/train/1.png")
    assert dataset.photo_path(example) == other / "sea" / "train" / "1.png"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_source_is_not_named_like_a_folder_above(name, tmp_path):
    with pytest.raises(OptionsError, match="cannot be named"):
        name_sources([(None, tmp_path / "a"), (name, tmp_path / "b")])
