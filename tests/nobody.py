"""Permissions that count, also where the tests are run by root."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_nobody():
    """Inside, the process has no more rights than anyone."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@contextmanager
def open_folder():
    """A folder that anyone may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
