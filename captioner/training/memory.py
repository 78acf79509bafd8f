"""What a process has needed of the machine's memory."""

import sys

_BYTES_A_UNIT = {"darwin": 1}  # elsewhere kilobytes: getrusage(2)


def peak_memory() -> int | None:
    """The most bytes that this process has held in memory so far, files mapped into it included; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_A_UNIT.get(sys.platform, 1024)
