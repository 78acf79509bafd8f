"""Ctrl-C that lets the photo in hand be finished."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def finishing_first() -> Iterator[Callable[[], int]]:
    """Inside, the first interrupt is only noted, for whoever asks: 0, or the signal's number. The second one counts."""
    caught = 0

    def note(number, frame):
        nonlocal caught
        if caught:
            raise KeyboardInterrupt
        caught = number

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield lambda: caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
