"""A worker that one shard kills, each time."""

import os

DEADLY = 3


class DyingWorker:
    def __init__(self, job):
        pass

    def __call__(self, row):
        if row["id"] == DEADLY:
            os._exit(1)  # as when a decoder written in C crashes, or the memory is used up
        return {"id": row["id"], "said": "{}"}
