"""What a whole process needs."""

import os
import subprocess
from pathlib import Path


def peak_memory(command: list[str], output: str | Path = os.devnull) -> int:
    """Peak resident bytes of a process, whose output goes to that file."""
    with open(output, "w") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return usage.ru_maxrss * 1024
