"""What is compared is run in turn, so that a machine that is busy for a while slows all of it."""

import time
from collections.abc import Callable
from statistics import median


def seconds_in_turn(functions: dict[str, Callable[[], object]], turns: int) -> tuple[dict[str, list], dict[str, list]]:
    """Seconds of each function in each turn, on the clock and of all cores; a first turn does not count."""
    wall, processor = ({name: [] for name in functions} for _ in range(2))
    for turn in range(turns + 1):
        for name, function in functions.items():
            started = time.perf_counter(), time.process_time()
            function()
            if turn > 0:
                wall[name].append(time.perf_counter() - started[0])
                processor[name].append(time.process_time() - started[1])
    return wall, processor


def medians(taken: dict[str, list]) -> dict[str, float]:
    return {name: median(values) for name, values in taken.items()}
