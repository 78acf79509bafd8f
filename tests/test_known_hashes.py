"""A file is hashed once, and again when it has changed in any way that shows."""

import hashlib
import os
import time

import pytest

from captioner import known_hashes
from captioner.known_hashes import KnownHashes, cache_dir
from captioner.locks import claimed

LONG_AGO = 1_600_000_000


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file that changed so long ago that its stamp can be trusted."""
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    monkeypatch.setattr(known_hashes, "_SETTLED_NS", -1)
    return path


@pytest.fixture
def store(tmp_path):
    return tmp_path / "cache" / "hashes.json"


@pytest.fixture
def computed(monkeypatch):
    """The files that were read in order to be hashed."""
    read = []

    def sha256_of(path):
        read.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(known_hashes, "sha256_of", sha256_of)
    return read


def ask(store, path):
    """As a run of its own would: the hash, remembered for the next."""
    hashes = KnownHashes(store)
    found = hashes.sha256_of(path)
    hashes.save()
    return found


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_an_unchanged_file_is_hashed_once(store, file, computed):
    assert ask(store, file) == ask(store, file) == sha256(b"first")
    assert computed == ["weights"]


def test_a_file_of_the_same_size_with_its_time_set_back_is_hashed_again(store, file, computed):
    os.utime(file, (LONG_AGO, LONG_AGO))
    ask(store, file)
    time.sleep(0.02)  # a tick of the file system's clock
    file.write_bytes(b"other")
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert ask(store, file) == sha256(b"other")
    assert computed == ["weights", "weights"]


def test_a_file_that_is_replaced_is_hashed_again(store, file, computed):
    ask(store, file)
    other = file.with_name("other")
    other.write_bytes(b"third")
    os.replace(other, file)
    assert ask(store, file) == sha256(b"third")


def test_a_file_that_changed_just_now_is_not_trusted_the_next_time(store, file, computed, monkeypatch):
    monkeypatch.setattr(known_hashes, "_SETTLED_NS", 3600 * 10**9)
    assert ask(store, file) == ask(store, file)
    assert computed == ["weights", "weights"]
    assert not store.exists()


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", pytest.param("[" * 100_000, id="deep"), '{"x": 1}', '{"x": ["y"]}']
)
def test_a_memory_that_is_damaged_is_made_anew(content, store, file, computed):
    store.parent.mkdir()
    store.write_text(content.replace("x", str(file)))
    assert ask(store, file) == ask(store, file) == sha256(b"first")
    assert computed == ["weights"]


def test_without_a_place_to_remember_all_is_computed(tmp_path, file, computed):
    (tmp_path / "taken").write_text("a file where a folder should be")
    assert ask(tmp_path / "taken" / "hashes.json", file) == ask(tmp_path / "taken" / "hashes.json", file)
    assert computed == ["weights", "weights"]


def test_a_file_that_is_missing_raises(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        KnownHashes(store).sha256_of(tmp_path / "missing")


def test_only_so_many_files_are_remembered(store, tmp_path, file, monkeypatch):
    monkeypatch.setattr(known_hashes, "_MOST", 2)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(b"x")
        ask(store, path)
    assert all(str(path) in store.read_text() for path in paths[1:])
    assert str(paths[0]) not in store.read_text()


def test_what_two_runs_computed_at_the_same_time_is_remembered_of_both(store, tmp_path, file, computed):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(b"x")
    runs = [KnownHashes(store) for _ in paths]
    for run, path in zip(runs, paths, strict=True):
        run.sha256_of(path)
    for run in runs:
        run.save()
    computed.clear()
    for path in paths:
        ask(store, path)
    assert computed == [] and os.listdir(store.parent) == ["hashes.json"]


def test_where_another_process_will_not_end_nothing_is_remembered_and_nobody_waits_for_long(
    store, file, computed, monkeypatch
):
    monkeypatch.setattr(known_hashes, "_WAIT_SECONDS", 0.05)
    store.parent.mkdir()
    with claimed(store.with_name("hashes.json.lock"), "hashes"):
        assert ask(store, file) == sha256(b"first")
    assert ask(store, file) == ask(store, file) == sha256(b"first") and computed == ["weights"] * 2


def test_the_memory_is_where_caches_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "captioner"
