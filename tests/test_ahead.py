"""Threads that work ahead."""

import threading

from captioner.ahead import map_ahead


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
