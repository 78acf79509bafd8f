"""Work done ahead of its use, by threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator


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
