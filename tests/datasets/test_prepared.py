import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image

from captioner.datasets import Dataset, prepare, read_source
from captioner.encoders import shipped_graph
from captioner.errors import CaptionerError, DatasetError, ModelError, OptionsError
from captioner.files import locked
from captioner.images import read_image
from captioner.inference import Encoder
from captioner.options import PrepareOptions

NAMES = [f"{number:02}.png" for number in range(20)]


def features_by_image(dataset, encoder):
    features, rows = dataset.features_of(list(dataset.examples), encoder)
    return {e.image: np.array(features[row]) for e, row in zip(dataset.examples, rows, strict=True)}


def assert_same_features(found, expected):
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[image], expected[image]) for image in expected)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def kept(features):
    """What float features are after they were kept as float16."""
    return features.astype(np.float16).astype(np.float32)


# what is written


def test_a_prepared_dataset_holds_captions_vocabulary_features_and_how_it_came_about(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", ["train/a.png", "train/b.png", "val/c.png"], "a dog\n개가 뛴다\n")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder(), seed=3)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        ".lock",
        "captions.jsonl",
        "dataset.json",
        "features",
        "report.json",
        "vocabulary.txt",
    ]
    assert (tmp_path / "data" / "captions.jsonl").read_text(encoding="utf-8").splitlines()[0] == (
        '{"image": "train/a.png", "split": "train", "captions": ["a dog", "개가 뛴다"]}'
    )
    info = json.loads((tmp_path / "data" / "dataset.json").read_text(encoding="utf-8"))
    assert info["format"] == 2
    assert info["sources"] == {"photos": {"source": str(source), "format": "sidecar", "images_dir": str(source)}}
    assert info["counts"] == {"train": {"photos": 2, "captions": 4}, "dev": {"photos": 1, "captions": 2}}
    assert info["options"]["seed"] == 3 and info["options"]["min_count"] == 1
    assert info["tokenizer"]["vocabulary_size"] == len(dataset.tokenizer) == 4 + 4
    shape = {"image_size": 8, "num_regions": 4, "depth": 3}
    name = "efficientnet-lite2-320"  # of the options, which the fake one stands in for
    assert info["encoder"] == {"name": name, "key": "fake-0123", **shape, "precision": "float"}
    assert info["problems"] == []
    assert dataset.splits == ("train", "dev") and dataset.sources == ("photos",)
    assert dataset.photo_path(dataset.examples[0]) == source / "train" / "a.png"


def test_opened_again_it_is_the_same(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    assert prepare_folder(source, tmp_path / "data", fake_encoder()) == Dataset.open(tmp_path / "data")


def test_features_are_what_the_encoder_says_of_what_read_image_gives(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    for image, features in features_by_image(dataset, fake_encoder()).items():
        assert np.array_equal(features, kept(fake_encoder().encode(read_image(source / image, 8)[None])[0]))


def test_features_are_given_with_the_row_of_each_example(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    dataset = prepare_folder(make_sidecars(tmp_path / "photos", NAMES), tmp_path / "data", fake_encoder())
    features, rows = dataset.features_of(list(dataset.examples), fake_encoder())
    assert features.shape == (20, 4, 3) and features[rows].dtype == np.float32
    assert sorted(rows) == list(range(20))
    some, few_rows = dataset.features_of(list(dataset.examples)[3:5], fake_encoder())
    assert some.shape == (20, 4, 3) and few_rows.tolist() == rows[3:5].tolist()


def test_the_shipped_encoder_prepares_the_same_features_it_gives_for_the_file(tmp_path, make_sidecars, prepare_folder):
    encoder = Encoder(*shipped_graph("efficientnet-lite2-320", "int8"), threads=2)
    source = make_sidecars(tmp_path / "photos", ["train/a.png", "train/b.png"])
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 50).save(source / "train" / "b.png")
    dataset = prepare_folder(source, tmp_path / "data", encoder)
    found = features_by_image(dataset, encoder)["train/b.png"]
    expected = encoder(read_image(source / "train" / "b.png", encoder.image_size)[None])[0]
    assert found.shape == (encoder.num_regions, encoder.depth)
    np.testing.assert_array_equal(found, expected)
    assert dataset.info["encoder"]["precision"] == "int8"


def test_the_vocabulary_is_learned_from_train_captions_only(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["train/a.png"], "one dog")
    make_sidecars(source, ["dev/b.png"], "two cats")
    make_sidecars(source, ["test/c.png"], "three birds")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    assert dataset.tokenizer.tokens[4:] == ("dog", "one")


def test_without_a_count_every_word_of_few_captions_is_learned_and_the_count_is_recorded(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", ["train/a.png"], "one dog")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder(), min_count=None)
    assert dataset.tokenizer.tokens[4:] == ("dog", "one")
    info = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert info["tokenizer"] == dataset.tokenizer_settings == {"rules": 1, "min_count": 1, "vocabulary_size": 6}
    assert info["options"]["min_count"] is None


def test_without_a_count_more_captions_ask_for_words_that_are_seen_more_often(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES, "a dog\n" * 1000)
    (source / NAMES[0]).with_suffix(".txt").write_text("a cat\n")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder(), min_count=None, split=(1.0, 0.0, 0.0))
    assert dataset.tokenizer.tokens[4:] == ("a", "dog")
    assert dataset.tokenizer_settings == {"rules": 1, "min_count": 2, "vocabulary_size": 6}


def test_the_encoder_is_opened_for_the_train_photos(tmp_path, make_sidecars, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["train/a.png", "train/b.png", "val/c.png", "test/d.png"])
    given = []

    def open_encoder(photos):
        given.extend(photos)
        return fake_encoder()

    prepare([read_source("photos", source)], tmp_path / "data", PrepareOptions(), open_encoder, 1)
    assert given == [source / "train" / "a.png", source / "train" / "b.png"]


def test_names_that_are_no_valid_text_are_prepared(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    names = [os.fsdecode(b"caf\xe9.png"), "line\u2028end.png", "new\nline.png", "개.png"]
    source = make_sidecars(tmp_path / "photos", names)
    (source / os.fsdecode(b"broken\xe9.png")).write_bytes(b"broken")
    (source / os.fsdecode(b"broken\xe9.txt")).write_text("x")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder(), split=(1.0, 0.0, 0.0))
    assert sorted(e.image for e in dataset.examples) == sorted(names)
    assert [p["where"] for p in dataset.info["problems"]] == [os.fsdecode(b"broken\xe9.png")]
    assert len(features_by_image(dataset, fake_encoder())) == 4


def test_progress_counts_every_photo_once(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    (source / NAMES[3]).write_bytes(b"broken")
    told = []
    prepare_folder(source, tmp_path / "data", fake_encoder(), report=lambda *counts: told.append(counts))
    assert told == [(num_done, 20) for num_done in range(21)]
    told.clear()
    prepare_folder(source, tmp_path / "data", fake_encoder(), report=lambda *counts: told.append(counts))
    assert told == [(num_done, 20) for num_done in range(21)]


# what cannot be used


def test_corrupt_and_captionless_photos_are_named_and_the_rest_goes_on(
    tmp_path, make_sidecars, make_photos, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    (source / NAMES[3]).write_text("a letter")
    whole = (source / NAMES[5]).read_bytes()
    (source / NAMES[5]).write_bytes(whole[: len(whole) - 30])
    make_photos(source, ["silent.png"])
    encoder = fake_encoder()
    dataset = prepare_folder(source, tmp_path / "data", encoder)
    assert encoder.seen == len(dataset.examples) == 18
    kinds = {problem["where"]: (problem["kind"], problem["lost"]) for problem in dataset.info["problems"]}
    assert kinds == {
        NAMES[3]: ("corrupt photo", True),
        NAMES[5]: ("corrupt photo", True),
        "silent.png": ("no caption", False),
    }
    details = [problem["detail"] for problem in dataset.info["problems"]]
    assert details[1] == "not an image of a known format" and details[2].startswith("broken or cut short (")
    assert sum(counts["photos"] for counts in dataset.info["counts"].values()) == 18


def test_a_photo_that_vanishes_is_missing_and_the_rest_goes_on(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    (source / NAMES[0]).unlink()
    (source / NAMES[0]).symlink_to("nowhere.png")
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    assert [(p["kind"], p["where"], p["lost"]) for p in dataset.info["problems"]] == [("missing photo", NAMES[0], True)]
    assert len(dataset.examples) == 19


def test_a_photo_that_vanishes_while_it_is_encoded_does_no_harm(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)

    class Vandal(fake_encoder):
        def encode(self, images):
            shutil.rmtree(source, ignore_errors=True)
            return super().encode(images)

    dataset = prepare_folder(source, tmp_path / "data", Vandal(), split=(1.0, 0.0, 0.0))
    assert 1 <= len(dataset.examples) < 20


@pytest.mark.parametrize("options", [{"min_count": 100}, {"min_count": 21}])
def test_words_seen_too_seldom_are_one_plain_error_before_a_photo_is_encoded(
    tmp_path, make_sidecars, prepare_folder, fake_encoder, options
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    encoder = fake_encoder()
    with pytest.raises(DatasetError) as caught:
        prepare_folder(source, tmp_path / "data", encoder, split=(1.0, 0.0, 0.0), **options)
    expected = f"{source}: no word is seen {options['min_count']} times in 20 train captions; lower --min-count"
    assert str(caught.value) == expected
    assert encoder.seen == 0 and not (tmp_path / "data").exists()


def test_captions_without_a_word_are_one_plain_error(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES, ".\n")
    with pytest.raises(DatasetError, match="no word is seen 1 times"):
        prepare_folder(source, tmp_path / "data", fake_encoder())


def test_no_train_photo_is_one_plain_error(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["test/a.png", "dev/b.png"])
    with pytest.raises(DatasetError, match="no photo of a train split can be used, so there is nothing to learn from"):
        prepare_folder(source, tmp_path / "data", fake_encoder())


def test_train_photos_that_are_all_corrupt_are_one_plain_error(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["train/a.png", "dev/b.png"])
    (source / "train" / "a.png").write_bytes(b"")
    expected = r"no photo of a train split can be used, .*; first of 1: corrupt photo: train/a.png \(not an image"
    with pytest.raises(DatasetError, match=expected):
        prepare_folder(source, tmp_path / "data", fake_encoder())
    assert not (tmp_path / "data" / "dataset.json").exists()


def test_the_source_is_never_prepared_into_itself(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["vocabulary.png"])
    (tmp_path / "link").symlink_to(source)
    before = files_of(source)
    for output_dir in (source, tmp_path / "link", tmp_path / "photos" / ".." / "photos"):
        with pytest.raises(OptionsError, match="is the source; name another folder"):
            prepare_folder(source, output_dir, fake_encoder())
    assert files_of(source) == before


# going on after a kill


@pytest.mark.parametrize("fail_after", [0, 1, 4, 8, 11, 19])
def test_a_run_broken_off_goes_on_where_it_stopped(tmp_path, make_sidecars, prepare_folder, fake_encoder, fail_after):
    source = make_sidecars(tmp_path / "photos", NAMES)
    unbroken = prepare_folder(source, tmp_path / "unbroken", fake_encoder())
    broken = fake_encoder(fail_after=fail_after)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(source, tmp_path / "data", broken, threads=1)
    assert broken.seen == fail_after
    second = fake_encoder()
    resumed = prepare_folder(source, tmp_path / "data", second)
    assert second.seen == 20 - broken.seen
    assert files_of(resumed.folder) == files_of(unbroken.folder)
    assert_same_features(features_by_image(resumed, second), features_by_image(unbroken, second))
    third = fake_encoder()
    prepare_folder(source, tmp_path / "data", third)
    assert third.seen == 0


PREPARE_SLOWLY = """
import sys, time
from pathlib import Path
import numpy as np
from captioner.datasets import prepare, read_source
from captioner.options import PrepareOptions

class SlowEncoder:
    key, image_size, num_regions, depth, quantization = "fake-0123", 8, 4, 3, None
    def encode(self, images):
        time.sleep(0.02)
        return images.reshape(-1, 2, 4, 2, 4, 3).mean((2, 4)).reshape(-1, 4, 3) / 255

source, output_dir = map(Path, sys.argv[1:])
prepare([read_source("photos", source)], output_dir, PrepareOptions(min_count=1), lambda photos: SlowEncoder(), 1)
"""


def test_a_process_killed_in_the_middle_loses_at_most_what_was_under_way(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    names = [f"{number:03}.png" for number in range(200)]
    source = make_sidecars(tmp_path / "photos", names)
    process = subprocess.Popen([sys.executable, "-c", PREPARE_SLOWLY, str(source), str(tmp_path / "data")])
    index_path = tmp_path / "data" / "features" / "fake-0123" / "index.jsonl"
    deadline = time.monotonic() + 60
    while not (index_path.exists() and index_path.read_bytes().count(b"\n") >= 10):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    num_kept = index_path.read_bytes().count(b"\n")
    assert 10 <= num_kept < 200
    assert not (tmp_path / "data" / "dataset.json").exists()
    encoder = fake_encoder()
    resumed = prepare_folder(source, tmp_path / "data", encoder)
    assert encoder.seen == 200 - num_kept
    unbroken = prepare_folder(source, tmp_path / "unbroken", fake_encoder())
    assert_same_features(features_by_image(resumed, encoder), features_by_image(unbroken, encoder))


def test_a_torn_last_line_of_the_index_costs_one_photo(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    expected = features_by_image(dataset, fake_encoder())
    index_path = tmp_path / "data" / "features" / "fake-0123" / "index.jsonl"
    os.truncate(index_path, index_path.stat().st_size - 9)
    encoder = fake_encoder()
    dataset = prepare_folder(source, tmp_path / "data", encoder)
    assert encoder.seen == 1
    assert_same_features(features_by_image(dataset, encoder), expected)


def test_rows_that_were_cut_off_are_encoded_again(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    expected = features_by_image(dataset, fake_encoder())
    os.truncate(tmp_path / "data" / "features" / "fake-0123" / "rows.bin", 200)  # of 24 bytes each
    with pytest.raises(DatasetError, match=r"12 photos have no features of fake-0123, the first .*prepare` again"):
        features_by_image(Dataset.open(tmp_path / "data"), fake_encoder())
    encoder = fake_encoder()
    dataset = prepare_folder(source, tmp_path / "data", encoder)
    assert encoder.seen == 12
    assert_same_features(features_by_image(dataset, fake_encoder()), expected)


# two at once


def test_a_run_that_waited_does_not_overwrite_what_another_source_became_meanwhile(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    other = make_sidecars(tmp_path / "others", NAMES, "a cat\n", first=50)
    elsewhere = prepare_folder(other, tmp_path / "elsewhere", fake_encoder()).folder
    data_dir, said, with_lock = tmp_path / "data", [], ExitStack()
    data_dir.mkdir()
    with_lock.enter_context(locked(data_dir / ".lock", str(data_dir), said.append))

    def say(line):
        said.append(line)
        for name in ("captions.jsonl", "vocabulary.txt", "dataset.json"):
            shutil.copy(elsewhere / name, data_dir / name)
        with_lock.close()

    encoder = fake_encoder()
    with pytest.raises(CaptionerError) as caught:
        prepare([read_source("photos", source)], data_dir, PrepareOptions(), lambda photos: encoder, 1, say=say)
    assert str(caught.value) == f"{data_dir}: holds a dataset prepared from {other}; give another folder"
    assert said == [f"waiting for process {os.getpid()} on {platform.node()}, which is writing {data_dir}"]
    assert encoder.seen == 0 and Dataset.open(data_dir).examples == Dataset.open(elsewhere).examples


# what an earlier version prepared


def as_earlier_version(folder):
    """Makes the dataset one as the version before wrote it."""
    info = json.loads((folder / "dataset.json").read_text())
    ((_, source),) = info.pop("sources").items()
    encoder = info.pop("encoder")
    encoder.pop("precision")
    earlier = {"format": 1, "source": source["source"], "source_format": source["format"]}
    earlier |= {"images_dir": source["images_dir"], "encoder": encoder["key"], "encoder_info": encoder}
    (folder / "dataset.json").write_text(json.dumps(info | earlier))
    shutil.rmtree(folder / "features")
    (folder / "features").mkdir()
    np.save(folder / "features" / f"{encoder['key']}.npy", np.zeros((20, 4, 3), np.float16))
    lines = (json.dumps({"image": name, "stamp": [1, 2], "row": row}) for row, name in enumerate(NAMES))
    (folder / "features" / f"{encoder['key']}.index.jsonl").write_text("\n".join(lines) + "\n")
    (folder / ".lock").unlink()
    return folder


def test_a_dataset_that_an_earlier_version_prepared_is_to_be_prepared_again_into_its_folder(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    whole = prepare_folder(source, tmp_path / "whole", fake_encoder())
    data_dir = as_earlier_version(prepare_folder(source, tmp_path / "data", fake_encoder()).folder)
    expected = f"{data_dir}: not of a version that this captioner reads; run `captioner prepare` again"
    assert refused(data_dir) == expected
    again = prepare_folder(source, data_dir, fake_encoder())
    assert again.examples == whole.examples and again.info == whole.info
    assert_same_features(features_by_image(again, fake_encoder()), features_by_image(whole, fake_encoder()))


def test_a_dataset_that_an_earlier_version_prepared_from_another_source_is_not_overwritten(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    data_dir = as_earlier_version(prepare_folder(source, tmp_path / "data", fake_encoder()).folder)
    other = make_sidecars(tmp_path / "others", NAMES)
    before = files_of(data_dir)
    with pytest.raises(CaptionerError, match=f"data: holds a dataset prepared from {source}; give another folder"):
        prepare_folder(other, data_dir, fake_encoder())
    assert files_of(data_dir) == before


# changes of the source


def test_a_photo_that_changed_on_disk_is_encoded_again_and_no_other(
    tmp_path, make_sidecars, make_photos, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    before = features_by_image(prepare_folder(source, tmp_path / "data", fake_encoder()), fake_encoder())
    make_photos(source, [NAMES[7]], first=99)
    encoder = fake_encoder()
    dataset = prepare_folder(source, tmp_path / "data", encoder)
    after = features_by_image(dataset, encoder)
    assert encoder.seen == 1
    assert {image for image in after if not np.array_equal(after[image], before[image])} == {NAMES[7]}
    assert np.array_equal(after[NAMES[7]], kept(encoder.encode(read_image(source / NAMES[7], 8)[None])[0]))


def test_a_photo_of_the_same_size_and_name_but_other_pixels_is_encoded_again(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", [f"{name[:2]}.bmp" for name in NAMES])
    before = features_by_image(prepare_folder(source, tmp_path / "data", fake_encoder()), fake_encoder())
    photo = source / "07.bmp"
    size, changed = photo.stat().st_size, photo.stat().st_mtime_ns
    Image.new("RGB", (12, 9), "white").save(photo)
    assert photo.stat().st_size == size and photo.stat().st_mtime_ns > changed
    encoder = fake_encoder()
    after = features_by_image(prepare_folder(source, tmp_path / "data", encoder), encoder)
    assert encoder.seen == 1
    assert (after["07.bmp"] == 1).all() and not np.array_equal(after["07.bmp"], before["07.bmp"])


def test_an_encoder_of_the_same_name_with_other_weights_reads_nothing_of_the_first(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    class Negative(fake_encoder):
        key = "fake-4567"

        def encode(self, images):
            return 1 - super().encode(images)

    source = make_sidecars(tmp_path / "photos", NAMES)
    first = prepare_folder(source, tmp_path / "data", fake_encoder())
    expected = features_by_image(first, fake_encoder())
    other = Negative()
    second = prepare_folder(source, tmp_path / "data", other)
    assert other.seen == 20 and second.info["encoder"]["key"] == "fake-4567"
    found = features_by_image(second, other)
    assert all(np.allclose(found[image], 1 - expected[image], atol=1e-3) for image in expected)
    assert_same_features(features_by_image(second, fake_encoder()), expected)


def test_a_photo_that_became_corrupt_is_left_out_and_comes_back_when_mended(
    tmp_path, make_sidecars, prepare_folder, fake_encoder
):
    source = make_sidecars(tmp_path / "photos", NAMES)
    whole = prepare_folder(source, tmp_path / "data", fake_encoder())
    content = (source / NAMES[7]).read_bytes()
    (source / NAMES[7]).write_bytes(b"broken")
    harmed = prepare_folder(source, tmp_path / "data", fake_encoder())
    assert set(whole.examples) - set(harmed.examples) == {e for e in whole.examples if e.image == NAMES[7]}
    (source / NAMES[7]).write_bytes(content)
    assert prepare_folder(source, tmp_path / "data", fake_encoder()).examples == whole.examples


def test_a_dataset_grows_and_what_was_encoded_stays(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    before = prepare_folder(source, tmp_path / "data", fake_encoder())
    cache = before.feature_cache(fake_encoder())
    old_rows, old_features = dict(cache.rows), cache.features()[:]
    make_sidecars(source, [f"new{number}.png" for number in range(300)], first=50)
    encoder = fake_encoder()
    after = prepare_folder(source, tmp_path / "data", encoder)
    assert encoder.seen == 300 and len(after.examples) == 320
    cache = after.feature_cache(encoder)
    assert cache.rows.items() >= old_rows.items()
    assert cache.features().shape == (320, 4, 3) and np.array_equal(cache.features()[:20], old_features)


def test_photos_taken_away_are_no_longer_part_of_it(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    prepare_folder(source, tmp_path / "data", fake_encoder())
    (source / NAMES[0]).unlink()
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    assert len(dataset.examples) == 19 and dataset.info["problems"] == []


# splits


def split_of(dataset):
    return {example.image: example.split for example in dataset.examples}


def test_a_seed_gives_the_same_split_and_another_seed_another(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES)
    first, again, other = (
        split_of(prepare_folder(source, tmp_path / f"data{place}", fake_encoder(), seed=seed))
        for place, seed in enumerate((5, 5, 6))
    )
    assert first == again != other
    assert sorted(first.values()) == ["dev"] * 2 + ["test"] * 2 + ["train"] * 16


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1.0, 0.0, 0.0), (20, 0, 0)),
        ((2.0, 1.0, 1.0), (10, 5, 5)),
        ((0.5, 0.5, 0.0), (10, 10, 0)),
        ((1, 0, 1), (10, 0, 10)),
    ],
)
def test_shares_are_kept_whatever_their_sum(tmp_path, make_sidecars, prepare_folder, fake_encoder, shares, expected):
    source = make_sidecars(tmp_path / "photos", NAMES)
    splits = list(split_of(prepare_folder(source, tmp_path / "data", fake_encoder(), split=shares)).values())
    assert tuple(splits.count(split) for split in ("train", "dev", "test")) == expected


def test_a_single_photo_is_one_to_train_on(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", NAMES[:1])
    assert prepare_folder(source, tmp_path / "data", fake_encoder()).splits == ("train",)


def test_photos_that_join_later_move_few_others_to_another_split(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", [f"{number:03}.png" for number in range(200)])
    before = split_of(prepare_folder(source, tmp_path / "data", fake_encoder()))
    make_sidecars(source, [f"new{number}.png" for number in range(20)])
    after = split_of(prepare_folder(source, tmp_path / "data", fake_encoder()))
    assert sum(before[image] != after[image] for image in before) <= 20


def test_a_split_that_is_lacking_is_named_with_those_there_are(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    source = make_sidecars(tmp_path / "photos", ["train/a.png", "dev/b.png"])
    dataset = prepare_folder(source, tmp_path / "data", fake_encoder())
    assert [e.image for e in dataset.split("dev")] == ["dev/b.png"]
    with pytest.raises(DatasetError, match=r"data: no test split; it has train, dev$"):
        dataset.split("test")


# opening what is none


@pytest.fixture
def data_dir(tmp_path, make_sidecars, prepare_folder, fake_encoder):
    return prepare_folder(make_sidecars(tmp_path / "photos", NAMES), tmp_path / "data", fake_encoder()).folder


def refused(folder):
    with pytest.raises(DatasetError) as caught:
        Dataset.open(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_and_one_that_is_no_dataset_are_named(tmp_path):
    assert refused(tmp_path / "gone") == f"{tmp_path / 'gone'}: no such folder"
    assert refused(tmp_path) == f"{tmp_path}: no dataset.json in it; make one with `captioner prepare`"


def test_a_dataset_without_captions_is_named(data_dir):
    (data_dir / "captions.jsonl").unlink()
    assert refused(data_dir).startswith(f"{data_dir}: no captions.jsonl in it")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"format": 99}', "\0\udcff"])
def test_a_dataset_json_that_is_none_is_one_plain_error(data_dir, content):
    (data_dir / "dataset.json").write_text(content, errors="surrogateescape")
    assert str(data_dir) in refused(data_dir)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", '{"image": "a.jpg"}', '{"image": "a.jpg", "split": "train", "captions": 3}']
)
def test_a_broken_line_of_the_captions_is_named(data_dir, line):
    lines = (data_dir / "captions.jsonl").read_text().splitlines()
    (data_dir / "captions.jsonl").write_text("\n".join([*lines[:3], line, *lines[3:]]) + "\n")
    assert refused(data_dir) == f"{data_dir / 'captions.jsonl'}, line 4: not a line of a dataset"


def test_a_lost_vocabulary_is_named(data_dir):
    (data_dir / "vocabulary.txt").unlink()
    with pytest.raises(ModelError, match=r"vocabulary.txt: cannot be read"):
        _ = Dataset.open(data_dir).tokenizer
