"""What a whole process needs."""

import os
import subprocess
import sys
import time
from pathlib import Path

# Started by a small process of its own: until its program is loaded, a process counts the memory of whoever starts it.
_WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak_memory(command: list[str], output: str | Path = os.devnull) -> int:
    """Peak resident bytes of a process, whose output goes to that file (Linux)."""
    watch = [sys.executable, "-S", "-c", _WATCH, str(output), *command]
    done = subprocess.run(watch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}")
    return int(done.stdout) * 1024


def seconds_and_memory(command: list[str], expected: int = 0) -> tuple[float, list[int]]:
    """Seconds of a process, and its resident bytes all along (Linux). expected: the exit code it must end with."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = []
    while process.poll() is None:
        memory.append(resident_bytes(process.pid))
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    if process.returncode != expected:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return seconds, [resident for resident in memory if resident]


def resident_bytes(process: int) -> int:
    """What a process holds in memory just now, 0 when it has ended (Linux)."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
