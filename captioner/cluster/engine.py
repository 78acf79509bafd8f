"""Work given to a Ray cluster, and what comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec

from captioner.errors import CaptionerError

_ANSWER_SECONDS = 10.0
_MOST_NAMED = 10  # shards that were given up
_END_SECONDS = 10.0  # for a driver to take leave of its cluster


def check_ray() -> None:
    """Raises: CaptionerError where the extra is not installed."""
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise CaptionerError("--engine ray needs Ray: pip install 'captioner[ray]'")


def run_on_ray(worker: str, job: dict, ids: Sequence[int], threads: int, address: str | None) -> Iterator[dict]:
    """What the workers say, id by id, in no order; those of a machine that dies are done by another.

    worker: "module:class", made once for each actor with `job`, and called with {"id": ...}; threads: cores of each;
    address: of the cluster, None for one of this machine's cores, which ends with the work.
    Raises: CaptionerError when there is no such cluster, or it goes away; or for an id that cannot be done.
    """
    if not ids:
        return
    if address is not None:
        _check_answers(address)
    asked = {"address": address, "worker": worker, "job": job, "threads": threads, "ids": list(ids)}
    left = set(ids)
    with tempfile.TemporaryFile() as chatter:
        process = subprocess.Popen(
            [sys.executable, "-m", "captioner.cluster.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=chatter,
            text=True,
            start_new_session=True,  # an interrupt is for this process, which ends that one
        )
        try:
            with suppress(BrokenPipeError):  # it ended already: what it said of that is read below
                process.stdin.write(json.dumps(asked) + "\n")
                process.stdin.flush()  # and open: that it closes tells that this process is gone
            for line in process.stdout:
                said = json.loads(line)
                if "error" in said:
                    raise CaptionerError(_told(said["error"], address))
                if "id" in said:
                    left.discard(said["id"])
                    yield said
            if process.wait() == 0 and left:
                raise CaptionerError(_given_up(sorted(left)))
            if left:
                where = f"the cluster at {address}" if address else "the cluster"
                raise CaptionerError(f"{where} went away{_last_word(chatter)}; shards left to do: {len(left):,}")
        finally:
            _end(process)


def _check_answers(address: str) -> None:
    """Ray itself would try for half a minute, and then end without a word. Raises: CaptionerError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # "auto", or a name that only Ray knows
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CaptionerError(f"Ray at {address}: no cluster answers there ({reason})") from error


def _told(message: str, address: str | None) -> str:
    first = message.partition(" The above exception")[0][:300]
    return f"Ray at {address}: {first}" if address else f"Ray: {first}"


def _given_up(ids: Sequence[int]) -> str:
    some = ", ".join(map(str, ids[:_MOST_NAMED])) + (", ..." if len(ids) > _MOST_NAMED else "")
    shards = "1 shard" if len(ids) == 1 else f"{len(ids):,} shards"
    return f"the cluster's workers died on {shards}, however often they tried: {some}; all others are done"


def _last_word(chatter) -> str:
    """Of what Ray wrote on its way out, the last line with a word in it, in brackets."""
    chatter.seek(max(0, chatter.seek(0, os.SEEK_END) - 4096))
    lines = chatter.read().decode("utf-8", "replace").splitlines()
    line = next((each for each in reversed(lines) if any(char.isalpha() for char in each)), "").strip()
    return f" ({line[:200]})" if line else ""


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    process.stdout.close()
    with suppress(BrokenPipeError):
        process.stdin.close()
