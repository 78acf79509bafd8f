"""How photos are drawn again to see how far chance reaches."""

from dataclasses import dataclass

from captioner.options.base import Options, require


@dataclass(frozen=True)
class BootstrapOptions(Options):
    """How photos are drawn again to see how far chance reaches."""

    resamples: int = 1000
    seed: int = 0

    def __post_init__(self):
        require(
            100 <= self.resamples <= 100_000, f"resamples must be at least 100 and at most 100000, not {self.resamples}"
        )
        require(0 <= self.seed < 2**32, f"seed must be at least 0 and below 2 to the 32, not {self.seed}")
