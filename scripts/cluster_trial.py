"""Three machines, one of which dies; and what the engine costs.

    python scripts/cluster_trial.py [--photos 3000] [--speed-photos 2000] [--model flickr8k] [--json FILE]
    # 0 photos leaves a part out

The machines are Ray's nodes, in processes of their own on this one (`ray.cluster_utils.Cluster`). What they wrote
together must be, record by record, what one process writes: nothing lost, nothing twice.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from benchmarks.photos import write_photos
from benchmarks.trials import tell
from folder_trial import make_folder
from ray.cluster_utils import Cluster

_SIZE = 500, 375  # pixels, as of Flickr8k
_LEAST_SHARE = 0.80  # of the plain command's photos a second, by one worker of as many threads
_SHARD_SIZE = 50
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@contextmanager
def cluster_of(*cores: int):
    """A cluster of machines with so many cores each."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": cores[0], "include_dashboard": False})
    made.others = [made.add_node(num_cpus=each) for each in cores[1:]]
    try:
        yield made
    finally:
        made.shutdown()


def command_for(folder: Path, model: str, *options: object) -> list[str]:
    command = [sys.executable, "-m", "captioner", "caption", folder, "-r", "-m", model, "--progress", "off", *options]
    return list(map(str, command))


def on_ray(cluster: Cluster, output: Path, *options: object) -> tuple:
    return ("--engine", "ray", "--ray-address", cluster.address, "-o", output, "--shard-size", _SHARD_SIZE, *options)


def records_of(*paths: Path) -> list[dict]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def death(work: Path, num_photos: int, model: str) -> dict:
    """One machine of three is killed in the middle."""
    folder, output, alone = make_folder(work / "photos", num_photos, seed=0), work / "out", work / "alone.jsonl"
    num_shards = -(-num_photos // _SHARD_SIZE)
    with cluster_of(1, 1, 1) as cluster:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command_for(folder.path, model, *on_ray(cluster, output)), **quiet)
        while (num_made := len(list(output.glob("part-*")))) < num_shards // 2 and process.poll() is None:
            time.sleep(0.01)
        cluster.remove_node(cluster.others[0], allow_graceful=False)
        exit_code = process.wait()
    subprocess.run(command_for(folder.path, model, "-f", "jsonl", "-o", alone), check=False, **quiet)
    together, single = records_of(*sorted(output.glob("part-*"))), records_of(alone)
    return {
        "photos": num_photos,
        "broken": len(folder.broken),
        "shards": num_shards,
        "shards_when_a_machine_died": num_made,
        "exit_code": exit_code,
        "records": len(together),
        "equals_one_machine": together == single,
    }


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def speed(work: Path, num_photos: int, model: str, turns: int = 2) -> dict:
    """Photos a second, of whole commands on clusters that are up; what is compared takes turns."""
    folder = write_photos(work, _SIZE, num_photos)[0].parent
    taken: dict[str, list[float]] = {"plain": [], "one worker": [], "one of a thread": [], "two of a thread": []}
    for turn in range(turns):
        taken["plain"].append(seconds(command_for(folder, model, "-f", "jsonl", "-o", work / f"{turn}.jsonl")))
        for name, machines, threads in (
            ("one worker", (2,), 2),
            ("one of a thread", (1,), 1),
            ("two of a thread", (2,), 1),
        ):
            with cluster_of(*machines) as cluster:
                output = work / f"{name} {turn}"
                options = on_ray(cluster, output, "--threads", threads, "--shard-size", 100)
                taken[name].append(seconds(command_for(folder, model, *options)))
    a_second = {name: num_photos / min(each) for name, each in taken.items()}
    return {
        "photos": num_photos,
        "photos_a_second": {name: round(each, 2) for name, each in a_second.items()},
        "one_worker_of_plain": round(a_second["one worker"] / a_second["plain"], 3),
        "two_workers_of_one": round(a_second["two of a thread"] / a_second["one of a thread"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--speed-photos", type=int, default=2000)
    parser.add_argument("--model", default="flickr8k")
    parser.add_argument("--json", type=Path, dest="json_path")
    arguments = parser.parse_args()
    found, checks = {}, {}
    if arguments.photos:
        with tempfile.TemporaryDirectory() as work:
            found["a machine dies"] = death(Path(work), arguments.photos, arguments.model)
        checks["the records are those of one machine"] = found["a machine dies"]["equals_one_machine"]
    if arguments.speed_photos:
        with tempfile.TemporaryDirectory() as work:
            found["speed"] = speed(Path(work), arguments.speed_photos, arguments.model)
        checks[f"one worker reaches {_LEAST_SHARE:.0%}"] = found["speed"]["one_worker_of_plain"] >= _LEAST_SHARE
    found["checks"] = checks
    tell(found, arguments.json_path)


if __name__ == "__main__":
    main()
