"""The process that speaks with Ray: a job in a line on stdin, a line of JSON for each shard on stdout.

A process of its own, because Ray ends the one that it runs in when its cluster goes away, and tells of itself where
captions are to go.
"""

import json
import os
import signal
import sys
import threading
from importlib import import_module

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_DEDUP_LOGS": "0"}
_PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "20"}  # with a cluster that does not answer any more
_MOST_BLOCKS = 10_000  # that Ray keeps account of
_MOST_RETRIES = 3  # of a shard whose worker died; Ray's own default has no end


def main() -> None:
    os.environ.update({name: value for name, value in (_QUIET | _PATIENCE).items() if name not in os.environ})
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Ray prints is no answer

    def answer(said: dict) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        for row in _rows(asked):
            answer(row)
    except Exception as error:
        answer({"error": _in_one_line(error)})
        sys.exit(1)
    answer({"done": True})


def _end_with_stdin() -> None:
    """Stdin ends with the process that asked, however that ends: nobody waits for answers then."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)  # of which Ray takes leave of its cluster


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
    settings.max_errored_blocks = -1  # what is given up is missing from the rows, and the others are done
    module, _, name = asked["worker"].partition(":")
    worker = getattr(import_module(module), name)
    most = max(1, int(ray.cluster_resources().get("CPU", 1) // asked["threads"]))
    ids = ray.data.from_items(
        [{"id": each} for each in asked["ids"]], override_num_blocks=min(len(asked["ids"]), _MOST_BLOCKS)
    )
    rows = ids.map(
        telling(worker),
        fn_constructor_args=[asked["job"]],
        # one in flight, for those that wait for a worker that dies would count it as a try of theirs
        compute=ray.data.ActorPoolStrategy(
            min_size=1, initial_size=most, max_size=most, max_tasks_in_flight_per_actor=1
        ),
        num_cpus=asked["threads"],
        max_task_retries=_MOST_RETRIES,
    )
    for row in rows.iter_rows():
        yield {"id": row["id"], **json.loads(row["said"])}


def telling(worker: type) -> type:
    """The worker, which says what it raises: Ray would drop it, as it drops a shard that is given up."""

    class Telling:
        def __init__(self, job: dict):
            self._job, self._worker = job, None

        def __call__(self, row: dict) -> dict:
            try:
                if self._worker is None:
                    self._worker = worker(self._job)
                return self._worker(row)
            except Exception as error:
                return {"id": row["id"], "said": json.dumps({"error": _in_one_line(error)})}

    return Telling


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
