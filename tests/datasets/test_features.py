import json
import os
import resource

import numpy as np
import pytest

from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.errors import DatasetError

SHAPE = (2, 3)


def open_cache(folder):
    return FeatureCache(folder / "features", "cnn-0123", *SHAPE)


def rows_of(*values):
    return np.array([np.full(SHAPE, value) for value in values], np.float32)


def add(folder, images, values, room=None):
    cache = open_cache(folder)
    cache.writer(len(images) if room is None else room)(images, [[1, 2]] * len(images), rows_of(*values))
    return cache


def values_of(folder):
    cache = open_cache(folder)
    features = cache.features()
    return {image: features[row].max().item() for image, row in cache.rows.items()}


def test_what_was_written_is_read_again(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1.5, -2])
    assert values_of(tmp_path) == {"a.jpg": 1.5, "b.jpg": -2}
    assert "a.jpg" in open_cache(tmp_path) and "c.jpg" not in open_cache(tmp_path)


def test_features_are_float16_mapped_from_disk_and_read_only(tmp_path):
    add(tmp_path, ["a.jpg"], [0.1])
    features = open_cache(tmp_path).features()
    assert isinstance(features, np.memmap) and features.dtype == np.float16 and features.shape == (1, *SHAPE)
    assert features[0, 0, 0] == np.float16(0.1)
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 1


def test_the_file_is_a_plain_npy_file(tmp_path):
    add(tmp_path, ["a.jpg"], [3])
    assert np.array_equal(np.load(tmp_path / "features" / "cnn-0123.npy"), rows_of(3).astype(np.float16))


def test_the_file_grows_and_old_rows_stay_where_they_were(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    path = tmp_path / "features" / "cnn-0123.npy"
    before, inode = path.read_bytes(), path.stat().st_ino
    add(tmp_path, [f"{i}.jpg" for i in range(1000)], range(3, 1003))
    assert values_of(tmp_path)["a.jpg"] == 1 and values_of(tmp_path)["999.jpg"] == 1002
    assert path.stat().st_ino == inode
    assert path.read_bytes()[128 : len(before)] == before[128:]


def test_room_that_could_not_be_made_costs_nothing(tmp_path):
    add(tmp_path, ["a.jpg"], [7])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DatasetError, match=r"cnn-0123.npy: cannot be written \(File too large\)"):
            open_cache(tmp_path).writer(100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert values_of(tmp_path) == {"a.jpg": 7}


def test_an_open_map_outlives_growth(tmp_path):
    add(tmp_path, ["a.jpg"], [7])
    features = open_cache(tmp_path).features()
    add(tmp_path, ["b.jpg"], [8])
    assert (features[0] == 7).all()


def test_room_that_was_made_and_not_used_is_used_next(tmp_path):
    add(tmp_path, ["a.jpg"], [1], room=5)
    size = (tmp_path / "features" / "cnn-0123.npy").stat().st_size
    add(tmp_path, ["b.jpg", "c.jpg"], [2, 3])
    assert (tmp_path / "features" / "cnn-0123.npy").stat().st_size == size
    assert values_of(tmp_path) == {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}


def test_one_writer_writes_group_after_group(tmp_path):
    write = open_cache(tmp_path).writer(3)
    write(["a"], [[1, 1]], rows_of(1))
    write(["b", "c"], [[1, 1]] * 2, rows_of(2, 3))
    assert values_of(tmp_path) == {"a": 1, "b": 2, "c": 3}


def test_an_image_encoded_again_takes_its_new_row(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    add(tmp_path, ["a.jpg"], [3])
    assert values_of(tmp_path) == {"a.jpg": 3, "b.jpg": 2}
    assert open_cache(tmp_path).rows["a.jpg"] == 2


def test_a_photo_is_fresh_until_its_size_or_time_of_change_differs(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    cache = open_cache(tmp_path)
    cache.writer(1)(["a.jpg"], [photo_stamp(photo)], rows_of(1))
    assert open_cache(tmp_path).is_fresh("a.jpg", photo_stamp(photo))
    assert not open_cache(tmp_path).is_fresh("b.jpg", photo_stamp(photo))
    os.utime(photo, ns=(0, photo.stat().st_mtime_ns + 1))
    assert not open_cache(tmp_path).is_fresh("a.jpg", photo_stamp(photo))


def test_a_missing_photo_has_no_stamp(tmp_path):
    assert photo_stamp(tmp_path / "gone.jpg") is None


@pytest.mark.parametrize(
    "torn", [b'{"image": "c.jp', b'{"image": "c.jpg", "stamp": [1, 2]}', b"\0\0\0\0", b"{}\n", b"7\n"]
)
def test_a_torn_end_of_the_index_loses_only_itself(tmp_path, torn):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    index_path = tmp_path / "features" / "cnn-0123.index.jsonl"
    whole = index_path.read_bytes()
    index_path.write_bytes(whole + torn)
    assert values_of(tmp_path) == {"a.jpg": 1, "b.jpg": 2}
    add(tmp_path, ["c.jpg"], [3])
    assert values_of(tmp_path) == {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}
    assert [json.loads(line)["image"] for line in index_path.read_text().splitlines()] == ["a.jpg", "b.jpg", "c.jpg"]


def test_opening_changes_nothing_on_disk(tmp_path):
    add(tmp_path, ["a.jpg"], [1])
    folder = tmp_path / "features"
    with (folder / "cnn-0123.index.jsonl").open("a") as index:
        index.write('{"torn')
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    open_cache(tmp_path)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    open_cache(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def replace(path):
    np.save(path, np.zeros((2, 5, 5), np.float16))


def widen(path):
    np.save(path, np.zeros((2, *SHAPE), np.float32))


def empty(path):
    path.write_bytes(b"")


def cut_in_its_header(path):
    os.truncate(path, 60)


@pytest.mark.parametrize("harm", [cut, replace, widen, empty, cut_in_its_header, os.remove])
def test_a_feature_file_that_does_not_fit_its_index_is_made_anew(tmp_path, harm):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    harm(tmp_path / "features" / "cnn-0123.npy")
    assert "a.jpg" not in open_cache(tmp_path)
    add(tmp_path, ["b.jpg"], [4])
    assert values_of(tmp_path) == {"b.jpg": 4}


def test_a_lost_index_means_encoding_anew(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    (tmp_path / "features" / "cnn-0123.index.jsonl").unlink()
    assert "a.jpg" not in open_cache(tmp_path)
    add(tmp_path, ["b.jpg"], [4])
    assert values_of(tmp_path) == {"b.jpg": 4}


def test_features_that_are_not_there_are_one_plain_error(tmp_path):
    with pytest.raises(DatasetError, match=r"cnn-0123.npy: no features can be read; run `captioner prepare` again"):
        open_cache(tmp_path).features()


def test_a_disk_that_takes_nothing_is_one_plain_error(tmp_path):
    write = open_cache(tmp_path).writer(1)
    (tmp_path / "features" / "cnn-0123.npy").unlink()
    (tmp_path / "features" / "cnn-0123.npy").symlink_to("/dev/full")
    with pytest.raises(DatasetError, match=r"cnn-0123.npy: cannot be written \("):
        write(["a.jpg"], [[1, 2]], rows_of(1))


def test_names_that_are_no_valid_text_are_kept(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    add(tmp_path, [name, "개.jpg", "line\u2028end.jpg", "new\nline.jpg"], [1, 2, 3, 4])
    assert values_of(tmp_path) == {name: 1, "개.jpg": 2, "line\u2028end.jpg": 3, "new\nline.jpg": 4}


def test_encoders_do_not_share_a_file(tmp_path):
    add(tmp_path, ["a.jpg"], [1])
    other = FeatureCache(tmp_path / "features", "cnn-4567", *SHAPE)
    assert "a.jpg" not in other
