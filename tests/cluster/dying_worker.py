"""A worker that one shard kills, each time, and one that takes very long."""

import os
import time
from pathlib import Path

DEADLY = 3


class DyingWorker:
    def __init__(self, job):
        pass

    def __call__(self, row):
        if row["id"] == DEADLY:
            os._exit(1)  # as when a decoder written in C crashes, or the memory is used up
        return {"id": row["id"], "said": "{}"}


class SleepingWorker:
    def __init__(self, job):
        self._begun = Path(job["begun"])

    def __call__(self, row):
        self._begun.touch()
        time.sleep(600)
