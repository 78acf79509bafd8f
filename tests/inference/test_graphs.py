"""A pool of graphs, with graphs that only count: who is opened, when, with how many threads, and for whom."""

import gc
import os
import pickle
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from captioner.errors import ModelError, OptionsError
from captioner.inference import graphs
from captioner.inference.graphs import GraphFile, GraphPool

MANY = range(1, 41)


@pytest.fixture
def opened(monkeypatch):
    """The number of threads of each graph that was opened, in order; `run` tells it, too, when no call is in it."""
    opened = []

    def open_graph(file, threads):
        opened.append(threads)
        busy = threading.Lock()

        def run(wait):
            assert busy.acquire(blocking=False), "two calls in one graph"
            try:
                wait()
            finally:
                busy.release()
            return {"threads": threads}

        return {"run": run}

    monkeypatch.setattr(GraphFile, "open", open_graph)
    return opened


def run(pool, wait=lambda: None) -> int:
    """The threads of the graph that a call got."""
    return pool.run("run", wait=wait)["threads"]


def run_together(pool, count) -> list[int]:
    """As `run`, of calls that compute at the same time."""
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(lambda _: run(pool, barrier.wait), range(count)))


@pytest.mark.parametrize("threads", MANY)
def test_shares_are_all_of_the_threads_and_alike(threads, opened):
    pool = GraphPool(Path("graph"), threads, max_calls=8, is_shared=True)
    pool.open()
    assert sum(opened) == threads and len(opened) == pool.max_calls == min(threads, 8)
    assert max(opened) - min(opened) <= 1


@pytest.mark.parametrize("threads", [1, 2, 5, 9, 15, 16])
def test_a_call_that_is_alone_has_all_threads_before_and_after_others_came(threads, opened):
    pool = GraphPool(Path("graph"), threads, max_calls=8)
    assert opened == []
    assert run(pool) == run(pool) == threads and opened == [threads]
    run_together(pool, pool.max_calls)
    assert run(pool) == threads


@pytest.mark.parametrize("threads", [1, 2, 5, 9, 15, 16])
def test_calls_to_come_open_no_graph_of_all_threads(threads, opened):
    pool = GraphPool(Path("graph"), threads, max_calls=8)
    with pool.sharing():
        assert sum(run_together(pool, pool.max_calls)) == threads
        run_together(pool, pool.max_calls)
    assert sum(opened) == threads and len(opened) == pool.max_calls


def test_as_many_graphs_are_opened_as_calls_compute_at_the_same_time(opened):
    pool = GraphPool(Path("graph"), 6, max_calls=8)
    with pool.sharing():
        for count in (1, 1, 3, 2, 3, 1):
            run_together(pool, count)
    assert opened == [1, 1, 1]


def test_no_call_gets_a_graph_that_computes(opened):
    pool = GraphPool(Path("graph"), 4, max_calls=3)
    with ThreadPoolExecutor(16) as executor:
        found = Counter(executor.map(lambda _: run(pool, lambda: time.sleep(0.001)), range(300)))
    assert found.total() == 300
    assert len(opened) <= 4


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_call_that_fails_gives_its_graph_back(is_alone, opened):
    def fail():
        raise MemoryError

    pool = GraphPool(Path("graph"), 2, max_calls=2, is_shared=not is_alone)
    for _ in range(5):
        with pytest.raises(MemoryError):
            run(pool, fail)
    assert run(pool) == opened[0] and len(opened) == 1


def test_a_pool_of_one_call_is_one_graph_with_a_lock(opened):
    pool = GraphPool(Path("graph"), 8, max_calls=1)
    with ThreadPoolExecutor(8) as executor:
        assert set(executor.map(lambda _: run(pool, lambda: time.sleep(0.001)), range(50))) == {8}
    assert opened == [8]


def test_no_threads_are_refused():
    with pytest.raises(OptionsError, match="threads must be at least 1, not 0"):
        GraphPool(Path("graph"), 0, max_calls=8)


def test_a_pickled_pool_is_its_file(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = GraphPool(Path("graph"), 12, max_calls=8)
    run(pool)
    again = pickle.loads(pickle.dumps(pool))
    assert again.path == tmp_path / "graph" and again.max_calls == 8
    assert opened == [12] and run(again) == 12 and opened == [12, 12]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_takes_no_graph_of_its_parent(opened):
    pool = GraphPool(Path("graph"), 3, max_calls=3)
    run(pool)
    computing, may_end = threading.Event(), threading.Event()

    def wait():
        computing.set()
        may_end.wait()

    callers = [threading.Thread(target=run, args=(pool, wait)) for _ in range(3)]
    with pool.sharing():
        for caller in callers:
            caller.start()
        computing.wait()
        child = os.fork()
        if not child:  # where nobody computes, and nobody ever gives a graph back
            opened.clear()
            is_alone = run(pool) == 3
            with pool.sharing():
                has_shares = run_together(pool, 3) == [1, 1, 1]
            os._exit(0 if is_alone and has_shares and opened == [3, 1, 1, 1] else 1)
    may_end.set()
    for caller in callers:
        caller.join()
    assert os.waitpid(child, 0)[1] == 0


def test_a_file_that_another_took_the_place_of_is_not_opened_beside_the_first(tmp_path, monkeypatch):
    path = tmp_path / "graph.tflite"
    path.write_bytes(b"one")
    pool = GraphPool(path, 2, max_calls=2)
    other = tmp_path / "other"
    other.write_bytes(b"two")
    other.replace(path)

    class Interpreter:
        def __init__(self, **_):
            self.allocate_tensors, self.get_signature_list = lambda: None, dict

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", Interpreter)
    with pytest.raises(ModelError, match=r"graph\.tflite: altered while the model was in use; load the model again"):
        pool.open()


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_a_file_that_is_no_graph_is_named_again_and_again(content, tmp_path):
    path = tmp_path / "graph.tflite"
    if content is not None:
        path.write_bytes(content)
    pool = GraphPool(path, 1, max_calls=1)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"graph\.tflite: not a LiteRT model that can be opened") as caught:
            pool.run("encode")
        assert "\n" not in str(caught.value)


def test_a_pool_that_nobody_has_any_more_is_forgotten():
    pool = GraphPool(Path("graph"), 1, max_calls=1)
    kept = weakref.ref(pool)
    assert pool in graphs._POOLS
    del pool
    gc.collect()
    assert kept() is None
