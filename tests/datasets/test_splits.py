import os

import pytest

from captioner.datasets import Example, splits
from captioner.datasets.splits import find_copies, find_leaks, with_splits
from captioner.options import PrepareOptions


def find_copies_in(folder, names):
    return find_copies({name: folder / name for name in names})


def undecided(*names):
    return [Example(name, ("x",), None) for name in names]


def split_of(examples):
    return {example.image: example.split for example in examples}


def test_copies_are_files_of_the_same_bytes(tmp_path, fill):
    files = {
        "a": b"one",
        "b": b"two",
        "c": b"one",
        "sub/d": b"one",
        "e": b"longer",
        "f": b"two",
        "empty1": "",
        "empty2": "",
    }
    fill(tmp_path, files)
    assert find_copies_in(tmp_path, [*files, "gone", "sub"]) == [["a", "c", "sub/d"], ["b", "f"], ["empty1", "empty2"]]


def test_files_that_end_alike_are_told_apart_by_the_rest(tmp_path, fill):
    end = bytes(10_000)
    fill(tmp_path, {"a": b"1" + end, "b": b"2" + end, "c": b"1" + end})
    assert find_copies_in(tmp_path, "abc") == [["a", "c"]]


def test_only_files_of_equal_size_and_equal_end_are_read_whole(tmp_path, fill, monkeypatch):
    files = {f"size{size}": os.urandom(size) for size in range(1, 50)}
    files |= {f"end{number}": bytes(5000) + os.urandom(100) for number in range(50)}
    fill(tmp_path, files | {"same1": b"s" * 6000, "same2": b"s" * 6000})
    read = []
    monkeypatch.setattr(splits, "sha256_of", lambda path: read.append(path.name))
    find_copies_in(tmp_path, [*files, "same1", "same2"])
    assert read == ["same1", "same2"]


def test_links_to_a_photo_are_copies_of_it(tmp_path, fill):
    fill(tmp_path, {"a": "photo"})
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("a")
    assert find_copies_in(tmp_path, "abc") == [["a", "b", "c"]]


def test_a_leak_is_a_photo_in_more_than_one_split():
    examples = [Example("a", ("x",), "train"), Example("b", ("x",), "train"), Example("c", ("x",), "test")]
    assert find_leaks([["a", "b"]], examples) == []
    assert find_leaks([["a", "b", "c"]], examples) == [examples]
    assert find_leaks([["a", "left out", "c"]], examples) == [[examples[0], examples[2]]]


@pytest.mark.parametrize("seed", range(20))
def test_copies_are_drawn_into_the_same_split(seed):
    names = [f"{number}" for number in range(20)]
    copies = [names[::2], names[1::4]]
    found = with_splits(undecided(*names), PrepareOptions(split=(1, 1, 1), seed=seed), copies)
    assert find_leaks(copies, found) == []
    assert {example.split for example in found} > {"train"}


def test_a_copy_of_a_photo_whose_split_is_given_follows_it():
    examples = [Example("a", ("x",), "test"), *undecided("b", "c", "d")]
    found = with_splits(examples, PrepareOptions(split=(1, 0, 0)), [["a", "c"]])
    assert split_of(found) == {"a": "test", "b": "train", "c": "test", "d": "train"}


def test_splits_that_are_given_stay():
    examples = [Example("a", ("x",), "test"), Example("b", ("x",), "train")]
    assert with_splits(examples, PrepareOptions(), [["a", "b"]]) == examples


def test_photos_of_several_folders_are_compared(tmp_path, fill):
    fill(tmp_path, {"one/a": b"photo", "two/b": b"photo", "two/a": b"other"})
    paths = {"x/a": tmp_path / "one" / "a", "y/a": tmp_path / "two" / "a", "y/b": tmp_path / "two" / "b"}
    assert find_copies(paths) == [["x/a", "y/b"]]


@pytest.mark.parametrize("seed", range(5))
def test_a_source_without_splits_is_split_as_it_is_alone(seed):
    options = PrepareOptions(split=(2, 1, 1), seed=seed)
    names = [f"{number}.jpg" for number in range(40)]
    alone = split_of(with_splits(undecided(*names), options))
    sources = {"one": 40, "two": 23}
    mixed = [Example(f"{s}/{name}", ("x",), None, s) for s, count in sources.items() for name in names[:count]]
    given = [Example(f"three/{name}", ("x",), "test", "three") for name in names]
    found = split_of(with_splits([*mixed, *given], options))
    assert {name: found[f"one/{name}"] for name in names} == alone
    assert {name: found[f"two/{name}"] for name in names[:23]} == split_of(with_splits(undecided(*names[:23]), options))
    assert {found[f"three/{name}"] for name in names} == {"test"}


def test_copies_in_two_sources_without_splits_are_drawn_together():
    examples = [Example(f"{s}/{n}", ("x",), None, s) for s in ("one", "two") for n in range(30)]
    copies = [[f"one/{number}", f"two/{29 - number}"] for number in range(30)]
    found = with_splits(examples, PrepareOptions(split=(1, 1, 1)), copies)
    assert find_leaks(copies, found) == []
    assert [example.split for example in found].count("train") == 20
