"""Work done ahead of its use, by threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Ahead(Generic[Result]):
    """What a function gives, computed from now on by a thread of its own."""

    def __init__(self, function: Callable[[], Result]):
        self._function = function
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Result:
        """Waits for it; raises what the function raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        self._error = None
        try:
            self._result = self._function()
        except BaseException as error:  # told where the result is asked for
            self._error = error


def map_ahead(function: Callable, items: Iterable, threads: int) -> Iterator:
    """What the function gives for each item, in order, computed ahead by `threads` threads.

    Only a few results are held at a time, however many items there are.
    """
    from concurrent.futures import ThreadPoolExecutor  # which takes its time to import, and a single photo needs none

    pool = ThreadPoolExecutor(threads)
    try:
        pending = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 8 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # whoever stops early does not wait for what was begun ahead
