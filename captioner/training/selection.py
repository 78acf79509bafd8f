"""Which epoch of a run is kept, decided by what chance cannot turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DevResult:
    """What an epoch's averaged weights reached on the dev split.

    cider: CIDEr-D of each photo's caption as a fraction, (photos,); empty without a dev split.
    loss: dev loss in nats a token; None where it is not what the phase lowers, as in self-critical training.
    """

    epoch: int
    cider: tuple[float, ...] = ()
    loss: float | None = None

    @property
    def mean(self) -> float:
        return sum(self.cider) / len(self.cider)


def select(results: Sequence[DevResult]) -> DevResult:
    """The result that is kept. Later epochs have the lower learning rate and the longer average of weights.

    An epoch replaces the one that is kept when its CIDEr-D is better than the best so far by more than a standard
    error of the difference paired over photos, or when it is not worse by more than that and its loss is no higher
    than that of the epoch that is kept. So chance on a small dev split cannot choose an epoch that learned less (the
    one-standard-error rule of Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3).
    Without a dev split it is the last one.
    """
    kept = best = results[0]
    if not kept.cider:
        return results[-1]
    for result in results[1:]:
        lead, error = paired_difference(result, best)
        has_less_loss = result.loss is None or kept.loss is None or result.loss <= kept.loss
        if lead > error or (lead >= -error and has_less_loss):
            kept = result
        if lead > 0:
            best = result
    return kept


def num_epochs_without_progress(results: Sequence[DevResult]) -> int:
    """How many epochs have passed since dev loss or the mean CIDEr-D was last at its best; 0 without a dev split."""
    if not results or not results[-1].cider:
        return 0
    indexes = range(len(results))
    best = max(indexes, key=lambda index: results[index].mean)
    lowest = min(indexes, key=lambda index: math.inf if results[index].loss is None else results[index].loss)
    return len(results) - 1 - max(best, lowest)


def paired_difference(result: DevResult, other: DevResult) -> tuple[float, float]:
    """The mean over photos of how far the CIDEr-D of one is above the other's, and the standard error of that mean."""
    differences = np.subtract(result.cider, other.cider)
    if differences.size < 2:
        return float(differences.sum()), 0.0
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(differences.size))
