"""Threads that work ahead."""

import threading

import pytest

from captioner.ahead import Ahead, map_ahead


def test_a_result_is_computed_before_it_is_asked_for():
    done = threading.Event()
    ahead = Ahead(lambda: done.set() or "result")
    assert done.wait(5)
    assert ahead.result() == ahead.result() == "result"


def test_an_error_is_raised_where_the_result_is_asked_for():
    ahead = Ahead(lambda: {}["missing"])
    for _ in range(2):
        with pytest.raises(KeyError, match="missing"):
            ahead.result()


def test_whoever_stops_early_does_not_wait_for_what_was_begun_ahead():
    begun, go_on = [], threading.Event()

    def slow(number):
        begun.append(number)
        go_on.wait()
        return number

    results = map_ahead(lambda n: slow(n) if n else n, range(1000), 2)
    assert next(results) == 0
    threading.Timer(0.2, go_on.set).start()
    results.close()
    assert len(begun) <= 4
