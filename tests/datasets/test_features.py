"""The feature cache: rows that stay with their photos, whatever happens to the files and whoever writes."""

import json
import os
import platform
import resource
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from captioner.datasets.features import FeatureCache, RowFormat, photo_stamp
from captioner.errors import CaptionerError, DatasetError
from captioner.quantization import Quantization

SHAPE = (2, 3)
NUM_VALUES = 2 * 3
SCALE = np.array([0.5, 0.25, 3.0], np.float32)
INT8 = Quantization(SCALE, zero_point=-1)


@dataclass(frozen=True)
class Cnn:
    key: str = "cnn-0123"
    num_regions: int = SHAPE[0]
    depth: int = SHAPE[1]


CNN = Cnn()


def path_in(folder, name=""):
    return folder / "features" / "cnn-0123" / name


def open_cache(folder, encoder=CNN):
    return FeatureCache(folder / "features", encoder)


def silent(line):
    pytest.fail(f"waited: {line}")


def rows_of(values, quantization=None):
    """(values, regions, depth), a row full of each."""
    dtype = np.float32 if quantization is None else np.int8
    return np.array([np.full(SHAPE, value) for value in values], dtype).reshape(-1, *SHAPE)


def add(folder, images, values, quantization=None):
    cache = open_cache(folder)
    with cache.writing(quantization, silent) as write:
        write(images, [[1, 2]] * len(images), rows_of(values, quantization))
    return cache


def values_of(folder):
    """What the row of each photo is full of."""
    cache = open_cache(folder)
    features = cache.features()
    found = {image: np.unique(features[row]) for image, row in cache.rows.items()}
    assert all(len(values) == 1 for values in found.values())
    return {image: values.item() for image, values in found.items()}


def contents_of(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in path_in(folder).iterdir()}


# what is kept


def test_what_was_written_is_read_again(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1.5, -2])
    assert values_of(tmp_path) == {"a.jpg": 1.5, "b.jpg": -2}
    assert "a.jpg" in open_cache(tmp_path) and "c.jpg" not in open_cache(tmp_path)


def test_float_features_are_kept_as_float16_and_given_as_float32(tmp_path):
    add(tmp_path, ["a.jpg"], [0.1])
    features = open_cache(tmp_path).features()
    assert features.shape == (1, *SHAPE) and len(features) == 1
    assert features[0].dtype == np.float32 and features[0][0, 0] == np.float16(0.1)
    assert path_in(tmp_path, "rows.bin").read_bytes() == np.full(SHAPE, 0.1, "<f2").tobytes()


def test_integers_are_kept_as_they_are_and_given_as_the_real_numbers_they_stand_for(tmp_path):
    integers = np.arange(-128, -128 + 2 * NUM_VALUES, dtype=np.int8).reshape(2, *SHAPE)
    with open_cache(tmp_path).writing(INT8, silent) as write:
        write(["a.jpg", "b.jpg"], [[1, 2]] * 2, integers)
    assert path_in(tmp_path, "rows.bin").read_bytes() == integers.tobytes()
    features = open_cache(tmp_path).features()
    expected = SCALE * (integers.astype(np.float32) + 1)
    assert features[np.array([1, 0])].dtype == np.float32
    np.testing.assert_array_equal(features[np.array([1, 0])], expected[::-1])
    np.testing.assert_array_equal(features[1], expected[1])


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        (None, {"format": 2, "num_regions": 2, "depth": 3, "dtype": "float16"}),
        (
            INT8,
            {"format": 2, "num_regions": 2, "depth": 3, "dtype": "int8", "scale": [0.5, 0.25, 3.0], "zero_point": -1},
        ),
    ],
)
def test_a_cache_says_what_its_rows_are(tmp_path, quantization, expected):
    add(tmp_path, ["a.jpg"], [7], quantization)
    assert json.loads(path_in(tmp_path, "cache.json").read_text()) == expected
    assert open_cache(tmp_path).format.quantization == quantization


def test_a_scale_that_no_decimal_names_exactly_is_read_as_it_was(tmp_path):
    scale = np.random.default_rng(0).uniform(1e-9, 1e3, 3).astype(np.float32)
    add(tmp_path, ["a.jpg"], [7], Quantization(scale))
    np.testing.assert_array_equal(open_cache(tmp_path).format.quantization.scale, scale)
    add(tmp_path, ["b.jpg"], [8], Quantization(scale))
    assert set(open_cache(tmp_path).rows) == {"a.jpg", "b.jpg"}


@pytest.mark.parametrize("quantization", [None, INT8])
def test_features_are_a_memory_map_that_nobody_can_write(tmp_path, quantization):
    add(tmp_path, ["a.jpg"], [7], quantization)
    rows = open_cache(tmp_path).features()._rows
    assert isinstance(rows, np.memmap) and not rows.flags.writeable
    assert rows.dtype == (np.float16 if quantization is None else np.int8)


def test_features_of_more_rows_than_fit_into_memory_are_opened_and_read(tmp_path):
    add(tmp_path, ["a.jpg"], [7])
    num_rows = (1 << 40) // (2 * NUM_VALUES)  # a terabyte, of which the disk holds two rows
    with path_in(tmp_path, "rows.bin").open("r+b") as file:
        file.seek((num_rows - 1) * 2 * NUM_VALUES)
        file.write(np.full(SHAPE, 8, "<f2").tobytes())
    features = open_cache(tmp_path).features()
    assert len(features) == num_rows
    np.testing.assert_array_equal(features[np.array([0, num_rows - 1])], rows_of([7, 8]))


def test_a_photo_is_fresh_until_its_size_or_time_of_change_differs(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    with open_cache(tmp_path).writing(None, silent) as write:
        write(["a.jpg"], [photo_stamp(photo)], rows_of([1]))
    assert open_cache(tmp_path).is_fresh("a.jpg", photo_stamp(photo))
    assert not open_cache(tmp_path).is_fresh("b.jpg", photo_stamp(photo))
    os.utime(photo, ns=(0, photo.stat().st_mtime_ns + 1))
    assert not open_cache(tmp_path).is_fresh("a.jpg", photo_stamp(photo))


def test_a_missing_photo_has_no_stamp(tmp_path):
    assert photo_stamp(tmp_path / "gone.jpg") is None


def test_names_that_are_no_valid_text_are_kept(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    add(tmp_path, [name, "개.jpg", "line\u2028end.jpg", "new\nline.jpg"], [1, 2, 3, 4])
    assert values_of(tmp_path) == {name: 1, "개.jpg": 2, "line\u2028end.jpg": 3, "new\nline.jpg": 4}


def test_encoders_do_not_share_a_folder(tmp_path):
    add(tmp_path, ["a.jpg"], [1])
    assert "a.jpg" not in open_cache(tmp_path, Cnn("cnn-4567"))


# growth


@pytest.mark.parametrize(("quantization", "itemsize"), [(None, 2), (INT8, 1)])
def test_the_file_is_never_larger_than_its_rows_and_old_rows_stay_where_they_were(tmp_path, quantization, itemsize):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2], quantization)
    path = path_in(tmp_path, "rows.bin")
    before, inode = path.read_bytes(), path.stat().st_ino
    assert len(before) == 2 * NUM_VALUES * itemsize
    with open_cache(tmp_path).writing(quantization, silent) as write:
        for number in range(100):
            write([f"{number}.jpg"], [[1, 2]], rows_of([number], quantization))
            assert path.stat().st_size == (3 + number) * NUM_VALUES * itemsize
    assert path.stat().st_ino == inode and path.read_bytes().startswith(before)
    cache = open_cache(tmp_path)
    assert list(cache.rows.items()) == [("a.jpg", 0), ("b.jpg", 1), *((f"{n}.jpg", 2 + n) for n in range(100))]
    features = cache.features()
    scale = np.float32(1) if quantization is None else SCALE
    zero_point = 0 if quantization is None else -1
    for number in range(100):
        np.testing.assert_array_equal(features[2 + number], np.broadcast_to(scale * (number - zero_point), SHAPE))


def test_an_open_map_outlives_growth(tmp_path):
    add(tmp_path, ["a.jpg"], [7])
    features = open_cache(tmp_path).features()
    add(tmp_path, ["b.jpg"], [8])
    assert len(features) == 1 and (features[0] == 7).all()


def test_one_writer_writes_group_after_group_and_knows_what_it_wrote(tmp_path):
    cache = open_cache(tmp_path)
    with cache.writing(None, silent) as write:
        write(["a"], [[1, 1]], rows_of([1]))
        write([], [], rows_of([]))
        write(["b", "c"], [[1, 1]] * 2, rows_of([2, 3]))
        assert cache.rows == {"a": 0, "b": 1, "c": 2} and cache.is_fresh("b", [1, 1])
    assert values_of(tmp_path) == {"a": 1, "b": 2, "c": 3}


def test_an_image_encoded_again_takes_its_new_row(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    add(tmp_path, ["a.jpg"], [3])
    assert values_of(tmp_path) == {"a.jpg": 3, "b.jpg": 2}
    assert open_cache(tmp_path).rows["a.jpg"] == 2


def test_opening_changes_nothing_on_disk(tmp_path):
    add(tmp_path, ["a.jpg"], [1])
    with path_in(tmp_path, "index.jsonl").open("a") as index:
        index.write('{"torn')
    before = contents_of(tmp_path)
    open_cache(tmp_path).features()
    assert contents_of(tmp_path) == before
    open_cache(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


# what kills and broken disks leave


LINE_OF_ROW_2 = b'{"image": "x.jpg", "stamp": [1, 2], "row": 2}\n'  # a row that is not there


@pytest.mark.parametrize(
    "torn",
    [
        b'{"image": "c.jp',
        b'{"image": "c.jpg", "stamp": [1, 2]}',
        LINE_OF_ROW_2.removesuffix(b"\n"),
        LINE_OF_ROW_2,
        LINE_OF_ROW_2.replace(b"2}", b"-1}"),
        LINE_OF_ROW_2.replace(b"2}", b'"0"}'),
        LINE_OF_ROW_2.replace(b'"x.jpg"', b"7"),
        b"\0\0\0\0",
        b"\xff\xfe\n",
        b"{}\n",
        b"7\n",
        b"\n",
    ],
)
def test_a_torn_end_of_the_index_loses_only_itself(tmp_path, torn):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    index_path = path_in(tmp_path, "index.jsonl")
    index_path.write_bytes(index_path.read_bytes() + torn)
    assert values_of(tmp_path) == {"a.jpg": 1, "b.jpg": 2}
    add(tmp_path, ["c.jpg"], [3])
    assert values_of(tmp_path) == {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}
    assert [json.loads(line)["image"] for line in index_path.read_text().splitlines()] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_torn_line_in_the_middle_of_the_index_loses_only_its_photo(tmp_path):
    add(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], [1, 2, 3])
    index_path = path_in(tmp_path, "index.jsonl")
    first, second, third = index_path.read_bytes().splitlines(keepends=True)
    index_path.write_bytes(first + second[:20] + b"\n" + third)
    assert values_of(tmp_path) == {"a.jpg": 1, "c.jpg": 3}
    add(tmp_path, ["d.jpg"], [4])
    assert values_of(tmp_path) == {"a.jpg": 1, "c.jpg": 3, "d.jpg": 4}


ROW_BYTES = 2 * NUM_VALUES


@pytest.mark.parametrize("num_bytes", [*range(0, 4 * ROW_BYTES, 5), 4 * ROW_BYTES - 1])
def test_rows_cut_short_lose_their_photos_and_no_photo_gets_the_row_of_another(tmp_path, num_bytes):
    add(tmp_path, ["a", "b", "c", "d"], [1, 2, 3, 4])
    os.truncate(path_in(tmp_path, "rows.bin"), num_bytes)
    kept = dict(list({"a": 1, "b": 2, "c": 3, "d": 4}.items())[: num_bytes // ROW_BYTES])
    assert values_of(tmp_path) == kept
    add(tmp_path, ["e", "f"], [5, 6])
    assert values_of(tmp_path) == kept | {"e": 5, "f": 6}
    add(tmp_path, ["d"], [4])
    assert values_of(tmp_path) == kept | {"e": 5, "f": 6, "d": 4}
    assert path_in(tmp_path, "rows.bin").stat().st_size == (len(kept) + 3) * ROW_BYTES


@pytest.mark.parametrize("more", [1, ROW_BYTES - 1, ROW_BYTES, 3 * ROW_BYTES + 1])
def test_rows_without_a_line_are_taken_away_by_the_next_writer(tmp_path, more):
    add(tmp_path, ["a"], [1])
    with path_in(tmp_path, "rows.bin").open("ab") as file:
        file.write(b"\x42" * more)
    assert values_of(tmp_path) == {"a": 1}
    add(tmp_path, ["b"], [2])
    assert values_of(tmp_path) == {"a": 1, "b": 2}
    assert path_in(tmp_path, "rows.bin").stat().st_size == 2 * ROW_BYTES


def test_of_two_photos_that_claim_a_row_the_later_has_it(tmp_path):
    add(tmp_path, ["a", "b"], [1, 2])
    with path_in(tmp_path, "index.jsonl").open("a") as index:
        index.write('{"image": "c", "stamp": [1, 2], "row": 0}\n')
    assert values_of(tmp_path) == {"b": 2, "c": 1}
    add(tmp_path, ["a"], [3])
    assert values_of(tmp_path) == {"b": 2, "c": 1, "a": 3}


def test_a_writer_that_breaks_off_keeps_what_it_wrote(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_cache(tmp_path).writing(None, silent) as write:
        write(["a"], [[1, 2]], rows_of([1]))
        raise KeyboardInterrupt
    add(tmp_path, ["b"], [2])
    assert values_of(tmp_path) == {"a": 1, "b": 2}


@pytest.mark.parametrize("lost", ["rows.bin", "index.jsonl", "cache.json"])
def test_a_lost_file_means_encoding_anew(tmp_path, lost):
    add(tmp_path, ["a.jpg", "b.jpg"], [1, 2])
    path_in(tmp_path, lost).unlink()
    assert "a.jpg" not in open_cache(tmp_path)
    add(tmp_path, ["b.jpg"], [4])
    assert values_of(tmp_path)["b.jpg"] == 4


def test_features_that_are_not_there_are_one_plain_error(tmp_path):
    with pytest.raises(DatasetError, match=r"cnn-0123: no features can be read; run `captioner prepare` again"):
        open_cache(tmp_path).features()


# what does not fit


def refused(folder, quantization=None, encoder=CNN):
    """The error of opening the cache and writing to it; it is one line, and nothing changes on disk."""
    before = contents_of(folder)
    with pytest.raises(DatasetError) as caught, open_cache(folder, encoder).writing(quantization, silent):
        pytest.fail("nothing was refused")
    after = contents_of(folder)
    assert all(after.get(name) == content for name, content in before.items() if name != "lock")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoder", [Cnn(num_regions=3), Cnn(depth=4), Cnn(num_regions=3, depth=2)])
def test_a_cache_of_another_shape_is_refused(tmp_path, encoder):
    add(tmp_path, ["a.jpg"], [1])
    expected = f"{path_in(tmp_path)}: features of another encoder; remove it to encode anew"
    assert refused(tmp_path, encoder=encoder) == expected


@pytest.mark.parametrize(
    ("kept", "given"),
    [
        (None, INT8),
        (INT8, None),
        (INT8, Quantization(SCALE * 2, zero_point=-1)),
        (INT8, Quantization(SCALE, zero_point=0)),
    ],
)
def test_a_cache_of_another_precision_is_refused(tmp_path, kept, given):
    add(tmp_path, ["a.jpg"], [1], kept)
    expected = f"{path_in(tmp_path)}: holds features of another precision; remove it to encode anew"
    assert refused(tmp_path, given) == expected


FLOAT = {"format": 2, "num_regions": 2, "depth": 3, "dtype": "float16"}
INTEGER = FLOAT | {"dtype": "int8", "scale": [1, 2, 3], "zero_point": 0}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "\udcff",
        FLOAT | {"format": 1},
        FLOAT | {"format": 3},
        FLOAT | {"dtype": "float32"},
        FLOAT | {"num_regions": "many"},
        FLOAT | {"depth": None},
        {name: value for name, value in FLOAT.items() if name != "depth"},
        FLOAT | {"dtype": "int8"},
        INTEGER | {"scale": [1, 2]},
        INTEGER | {"scale": 1},
        INTEGER | {"scale": ["a", "b", "c"]},
        INTEGER | {"zero_point": "none"},
    ],
    ids=str,
)
def test_a_cache_json_that_is_none_is_refused(tmp_path, content):
    add(tmp_path, ["a.jpg"], [1])
    text = content if isinstance(content, str) else json.dumps(content)
    path_in(tmp_path, "cache.json").write_text(text, errors="surrogateescape")
    path = path_in(tmp_path)
    assert refused(tmp_path) == f"{path / 'cache.json'}: not of a cache that can be read; remove {path} to encode anew"


# disks that are full


@contextmanager
def largest_file(num_bytes):
    """Inside, a file cannot grow beyond that, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("most_bytes", range(250, 700, 30))
@pytest.mark.parametrize("depth", [3, 100])
def test_a_full_disk_loses_nothing_that_was_written_before(tmp_path, depth, most_bytes):
    """The index is full first where features are shallow, the rows where they are deep."""
    encoder, written = Cnn(depth=depth), {}

    def fill(images):
        with open_cache(tmp_path, encoder).writing(None, silent) as write:
            for image in images:
                write([image], [[1, 2]], np.full((1, 2, depth), int(image), np.float32))
                written[image] = int(image)

    def found():
        cache = open_cache(tmp_path, encoder)
        return {image: cache.features()[row] for image, row in cache.rows.items()}

    with largest_file(most_bytes), pytest.raises(DatasetError) as caught:
        fill(map(str, range(100)))
    assert str(caught.value) == f"{path_in(tmp_path)}: cannot be written (File too large)"
    assert found().keys() == written.keys() and len(written) < 100
    fill(map(str, range(100, 110)))
    assert found().keys() == written.keys()
    assert all((features == written[image]).all() for image, features in found().items())


def test_a_disk_that_takes_nothing_is_one_plain_error(tmp_path):
    with largest_file(5), pytest.raises(CaptionerError, match=r"cache.json: cannot be written \(File too large\)"):
        add(tmp_path, ["a.jpg"], [1])
    add(tmp_path, ["a.jpg"], [1])
    assert values_of(tmp_path) == {"a.jpg": 1}


def test_rows_that_are_a_folder_are_one_plain_error(tmp_path):
    add(tmp_path, ["a.jpg"], [1])
    path_in(tmp_path, "rows.bin").unlink()
    path_in(tmp_path, "rows.bin").mkdir()
    with pytest.raises(DatasetError, match=r"cnn-0123: no features can be read; run `captioner prepare` again"):
        open_cache(tmp_path).features()
    with pytest.raises(DatasetError, match=r"cnn-0123: cannot be written \(Is a directory\)"):
        add(tmp_path, ["a.jpg"], [1])


# several who write


WRITE = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from captioner.datasets.features import FeatureCache

folder, first, num_rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = FeatureCache(folder, SimpleNamespace(key="cnn-0123", num_regions=2, depth=3))
for number in range(first, first + num_rounds):
    with cache.writing(None, lambda line: print(line, flush=True)) as write:
        for value in (number, number + 1000):
            write([str(value)], [[1, 2]], np.full((1, 2, 3), value, np.float32))
print("done", flush=True)
if len(sys.argv) > 4:
    with cache.writing(None, print):
        print("inside", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def start_writer(start_process, tmp_path):
    """A function `(first, num_rounds, ...) -> process` that writes two photos a round."""

    def started(*arguments):
        return start_process(sys.executable, "-c", WRITE, str(tmp_path / "features"), *map(str, arguments))

    return started


def test_processes_that_write_at_the_same_time_keep_every_photo_with_its_row(tmp_path, start_writer):
    writers = [start_writer(first, 40) for first in (0, 200, 400)]
    seen = {}
    while any(writer.poll() is None for writer in writers):
        if path_in(tmp_path, "index.jsonl").exists():
            found = values_of(tmp_path)
            assert found.keys() >= seen.keys()
            seen = found
    said = [writer.communicate()[0].splitlines() for writer in writers]
    assert [lines[-1] for lines in said] == ["done"] * 3
    numbers = [number + more for first in (0, 200, 400) for number in range(first, first + 40) for more in (0, 1000)]
    assert values_of(tmp_path) == {str(number): number for number in numbers}
    assert path_in(tmp_path, "rows.bin").stat().st_size == len(numbers) * ROW_BYTES


def test_threads_that_write_at_the_same_time_keep_every_photo_with_its_row(tmp_path):
    def write_some(first):
        cache = open_cache(tmp_path)
        for number in range(first, first + 20):
            with cache.writing(None, lambda line: None) as write:
                write([str(number)], [[1, 2]], rows_of([number]))

    threads = [threading.Thread(target=write_some, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values_of(tmp_path) == {str(n): n for first in (0, 100, 200) for n in range(first, first + 20)}


def test_who_waits_says_for_whom_in_one_line_and_then_knows_the_rows_of_the_other(tmp_path, start_writer):
    writer = start_writer(5, 1, "stay inside")
    assert [writer.stdout.readline() for _ in range(2)] == ["done\n", "inside\n"]
    cache = open_cache(tmp_path)
    said = []

    def say(line):
        said.append(line)
        writer.stdin.close()  # which ends it

    with cache.writing(None, say) as write:
        assert cache.rows == {"5": 0, "1005": 1}
        write(["a.jpg"], [[1, 2]], rows_of([7]))
    assert writer.wait(10) == 0
    name = platform.node()
    assert said == [f"waiting for process {writer.pid} on {name}, which is writing the features in {path_in(tmp_path)}"]
    assert values_of(tmp_path) == {"5": 5, "1005": 1005, "a.jpg": 7}


def test_a_writer_that_was_killed_keeps_nobody_waiting(tmp_path, start_writer):
    writer = start_writer(5, 1, "stay inside")
    assert [writer.stdout.readline() for _ in range(2)] == ["done\n", "inside\n"]
    writer.kill()
    writer.wait()
    add(tmp_path, ["a.jpg"], [7])
    assert values_of(tmp_path) == {"5": 5, "1005": 1005, "a.jpg": 7}
    assert sorted(path.name for path in path_in(tmp_path).iterdir()) == [
        "cache.json",
        "index.jsonl",
        "lock",
        "rows.bin",
    ]


@pytest.mark.parametrize("wrong", [{"scale": [float("nan")] * 3}, {"scale": [0.0] * 3}, {"zero_point": 200}])
def test_scales_that_cannot_be_are_no_format(wrong):
    values = RowFormat(2, 3, Quantization(np.full(3, 0.5, np.float32))).to_json()
    assert RowFormat.from_json(values).depth == 3
    with pytest.raises(ValueError):
        RowFormat.from_json(values | wrong)
