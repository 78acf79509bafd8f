"""Ctrl-C that lets the photo in hand be finished."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def finishing_first() -> Iterator[Callable[[], bool]]:
    """Inside, the first interrupt is only noted, for whoever asks whether there was one. The second one counts."""
    was_caught = False

    def note(number, frame):
        nonlocal was_caught
        if was_caught:
            raise KeyboardInterrupt
        was_caught = True

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield lambda: was_caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
