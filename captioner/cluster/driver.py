"""The process that speaks with Ray: a job on stdin, a line of JSON for each shard on stdout.

A process of its own, because Ray ends the one that it runs in when its cluster goes away, and tells of itself where
captions are to go.
"""

import json
import os
import sys
from importlib import import_module

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_DEDUP_LOGS": "0"}
_PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "20"}  # with a cluster that does not answer any more
_MOST_BLOCKS = 10_000  # that Ray keeps account of


def main() -> None:
    os.environ.update({name: value for name, value in (_QUIET | _PATIENCE).items() if name not in os.environ})
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Ray prints is no answer

    def answer(said: dict) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    asked = json.load(sys.stdin)
    try:
        for row in _rows(asked):
            answer(row)
    except Exception as error:
        answer({"error": " ".join(str(error).split()) or type(error).__name__})
        sys.exit(1)
    answer({"done": True})


def _rows(asked: dict):
    """asked: {"address", "worker": "module:class", "job", "threads", "ids"}; a row for each id, in no order."""
    import ray
    import ray.data

    # "local", as None might find a cluster of somebody else's on this machine
    where = {"address": asked["address"]} if asked["address"] else {"address": "local", "include_dashboard": False}
    ray.init(**where, logging_level="ERROR", log_to_driver=False, configure_logging=True)
    settings = ray.data.DataContext.get_current()
    settings.enable_progress_bars = False
    settings.enable_operator_progress_bars = False
    module, _, name = asked["worker"].partition(":")
    worker = getattr(import_module(module), name)
    most = max(1, int(ray.cluster_resources().get("CPU", 1) // asked["threads"]))
    ids = ray.data.from_items(
        [{"id": each} for each in asked["ids"]], override_num_blocks=min(len(asked["ids"]), _MOST_BLOCKS)
    )
    rows = ids.map(
        worker,
        fn_constructor_args=[asked["job"]],
        compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=most, max_size=most),
        num_cpus=asked["threads"],
    )
    for row in rows.iter_rows():
        yield {"id": row["id"], **json.loads(row["said"])}


if __name__ == "__main__":
    main()
