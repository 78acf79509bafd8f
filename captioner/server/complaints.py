"""What fails by the server's own fault, told on stderr: never more than a few lines, whatever callers send."""

import sys
import threading
import time

from captioner.escaping import visible_line

SECONDS_APART = 10.0  # from one line to the next


class Complaints:
    def __init__(self, seconds_apart: float = SECONDS_APART):
        self._seconds_apart, self._next, self._num_unsaid, self._lock = seconds_apart, 0.0, 0, threading.Lock()

    def __call__(self, message: str) -> None:
        """Says it in one line, or counts it for the next one."""
        with self._lock:
            if time.monotonic() < self._next:
                self._num_unsaid += 1
                return
            self._next = time.monotonic() + self._seconds_apart
            others, self._num_unsaid = self._num_unsaid, 0
        before = f" ({others:,} others before it were not told)" if others else ""
        print(f"Error: {visible_line(message[:500])}{before}", file=sys.stderr)


complain = Complaints()
