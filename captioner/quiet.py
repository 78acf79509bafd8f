"""Keeping native libraries from talking over the program."""

import os
import sys
import warnings
from contextlib import contextmanager


def without_pillow_s_warnings() -> None:
    """From now on: what matters of them comes as an `ImageError`."""
    warnings.filterwarnings("ignore", module="PIL")


@contextmanager
def without_native_chatter():
    """Nothing reaches stderr inside: the runtimes greet there from C++, before any setting of theirs is heard.

    Python's own errors pass: they are raised, not printed.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
