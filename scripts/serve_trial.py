"""The server under load: clients for a minute, a queue that is full, and an end in the middle of it all.

    python scripts/serve_trial.py [--seconds 60] [--clients 16] [--photos 600] [--model flickr8k] [--json FILE]

Beside it, on the same photos, `captioner caption`. Clients and server share the cores.
"""

import argparse
import http.client
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from benchmarks.photos import write_photos
from benchmarks.processes import resident_bytes, seconds_and_memory
from benchmarks.trials import tell

_SIZE = 500, 375  # pixels, as of Flickr8k
_LEAST_SHARE = 0.85  # of the photos a second of `captioner caption`
_MOST_GROWTH = 1.05  # of memory, from the first tenth of the minute to the last
_UNANSWERED = "unanswered"
_REFUSED = "refused"


@dataclass
class Seen:
    """What clients saw: each request's status, or what became of it instead, and the seconds it took."""

    statuses: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, status: int | str, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.append(seconds)


@contextmanager
def serving(model: str, *options: str):
    """`(process, host, port)` of a server that is ready."""
    command = [sys.executable, "-m", "captioner", "serve", "--port", "0", "-m", model, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stderr.readline().split("http://")[1].split()[0]
            host, _, port = address.rpartition(":")
            yield process, host, int(port)
        finally:
            process.kill()


def drive(host: str, port: int, photos: list[bytes], num_clients: int, is_over: Callable[[], bool]) -> Seen:
    """Clients that each send one photo after the other over a connection they keep, until it is over."""
    seen, numbers = Seen(), count()

    def client() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=120)
        while not is_over():
            photo = photos[next(numbers) % len(photos)]
            started = time.perf_counter()
            try:
                connection.request("POST", "/api/captions", photo, {"Content-Type": "image/jpeg"})
            except OSError:  # no connection, or one that was closed before the request was taken
                connection.close()
                seen.add(_REFUSED, time.perf_counter() - started)
                continue
            try:
                with connection.getresponse() as response:
                    response.read()
                    seen.add(response.status, time.perf_counter() - started)
                    if response.status == 503:
                        time.sleep(0.1)
            except (OSError, http.client.HTTPException):
                connection.close()
                seen.add(_UNANSWERED, time.perf_counter() - started)

    clients = [threading.Thread(target=client) for _ in range(num_clients)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return seen


def minute(model: str, photos: list[bytes], num_clients: int, seconds: float) -> dict:
    """Clients who never pause, and the server's memory meanwhile."""
    with serving(model) as (process, host, port):
        drive(host, port, photos, num_clients, _after(5))  # the first photos find nothing warm
        memory, started = [], time.monotonic()
        is_over = _after(seconds)
        watch = threading.Thread(target=_watch_memory, args=(process, memory, is_over))
        watch.start()
        seen = drive(host, port, photos, num_clients, is_over)
        taken = time.monotonic() - started
        watch.join()
    tenth = len(memory) // 10 + 1
    return {
        "statuses": dict(seen.statuses),
        "photos_a_second": round(seen.statuses[200] / taken, 2),
        "p50_seconds": round(float(np.percentile(seen.seconds, 50)), 3),
        "p99_seconds": round(float(np.percentile(seen.seconds, 99)), 3),
        "most_memory_in_first_tenth_mb": round(max(memory[:tenth]) / 1e6, 1),
        "most_memory_in_last_tenth_mb": round(max(memory[-tenth:]) / 1e6, 1),
    }


def full_queue(model: str, photos: list[bytes], num_clients: int, seconds: float) -> dict:
    """Far more clients than places."""
    with serving(model, "--max-queue", "8") as (_, host, port):
        return dict(drive(host, port, photos, 4 * num_clients, _after(seconds)).statuses)


def ended_amid(model: str, photos: list[bytes], num_clients: int) -> dict:
    """SIGTERM while every client waits for an answer."""
    with serving(model) as (process, host, port):
        ended = threading.Timer(3, process.send_signal, [signal.SIGTERM])
        ended.start()
        seen = drive(host, port, photos, num_clients, lambda: process.poll() is not None)
        ended.join()
        statuses = {status: number for status, number in seen.statuses.items() if status != _REFUSED}
        return {"statuses": statuses, "exit_code": process.wait(30)}


def plain(model: str, folder: Path, num_photos: int) -> float:
    """Photos a second of `captioner caption`, of the whole process."""
    command = [sys.executable, "-m", "captioner", "caption", str(folder), "-m", model, "--progress", "off"]
    return num_photos / seconds_and_memory(command)[0]


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _watch_memory(process: subprocess.Popen, memory: list[int], is_over: Callable[[], bool]) -> None:
    while not is_over():
        memory.append(resident_bytes(process.pid))
        time.sleep(0.1)


def trial(model: str, num_photos: int, num_clients: int, seconds: float) -> dict:
    """What was found, in figures; `checks` says whether all is as it must be."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photos(Path(folder), _SIZE, num_photos)
        photos = [path.read_bytes() for path in paths]
        before = plain(model, paths[0].parent, num_photos)
        under_load = minute(model, photos, num_clients, seconds)
        after = plain(model, paths[0].parent, num_photos)
        when_full = full_queue(model, photos, num_clients, seconds / 6)
        at_the_end = ended_amid(model, photos, num_clients)
    share = under_load["photos_a_second"] / ((before + after) / 2)
    growth = under_load["most_memory_in_last_tenth_mb"] / under_load["most_memory_in_first_tenth_mb"]
    checks = {
        "no error under load": set(under_load["statuses"]) == {200},
        f"at least {_LEAST_SHARE:.0%} of captioner caption": share >= _LEAST_SHARE,
        "memory is flat": growth <= _MOST_GROWTH,
        "a full queue answers 200 and 503 alone": set(when_full) == {200, 503},
        "what was accepted before the end is answered": _UNANSWERED not in at_the_end["statuses"],
        "the end is a regular one": at_the_end["exit_code"] == 0,
    }
    return {
        "clients": num_clients,
        "caption_photos_a_second": [round(before, 2), round(after, 2)],
        "share_of_caption": round(share, 3),
        "under_load": under_load,
        "when_full": when_full,
        "at_the_end": at_the_end,
        "checks": checks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--model", default="flickr8k")
    parser.add_argument("--json", type=Path, dest="json_path")
    arguments = parser.parse_args()
    found = trial(arguments.model, arguments.photos, arguments.clients, arguments.seconds)
    tell(found, arguments.json_path)


if __name__ == "__main__":
    main()
