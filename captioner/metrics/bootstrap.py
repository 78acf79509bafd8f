"""How far chance reaches: scores of photos drawn again (Efron 1979), and two systems on the same draws (Koehn 2004).

The photos are the sample: a set of as many is drawn from them with replacement, again and again, and every score
is taken of each such set as a whole, corpus BLEU from the summed counts of its n-grams. CIDEr-D keeps the document
frequencies of the references of all photos.
"""

from dataclasses import dataclass

import numpy as np

from captioner.metrics.tally import Tally
from captioner.options import BootstrapOptions

LEVEL = 0.95  # of the intervals; a difference is beyond chance where its p-value is below 1 - LEVEL
_DECIMALS = 9  # of a difference: less is the official scorer's constants, and rounding
_DRAWS_AT_ONCE = 2_000_000  # photos: bounds the memory, whatever the size of the corpus


def resampled_scores(tally: Tally, options: BootstrapOptions) -> dict[str, np.ndarray]:
    """Score name to (resamples,) float: each score of each set of photos drawn.

    Tallies of as many photos are given the same draws, and so are paired where their photos are the same.
    """
    random = np.random.default_rng(options.seed)
    sums = [[] for _ in tally.parts]
    at_once = max(1, _DRAWS_AT_ONCE // tally.num_photos)
    for start in range(0, options.resamples, at_once):
        times_drawn = _draw(random, min(at_once, options.resamples - start), tally.num_photos)
        for part, part_sums in zip(tally.parts, sums, strict=True):
            part_sums.append(times_drawn @ part.statistics)
    scores = [part.combine(np.concatenate(found)) for part, found in zip(tally.parts, sums, strict=True)]
    names = [name for part in tally.parts for name in part.names]
    return dict(zip(names, np.concatenate(scores, axis=-1).T, strict=True))


def interval(samples: np.ndarray) -> tuple[float, float]:
    """The percentile interval of resampled values; of one photo alone it is a point."""
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """A score of one system less that of another on the same photos."""

    difference: float
    interval: tuple[float, float]
    p_value: float  # two-sided: how often so many resamples fall on the other side of no difference

    @property
    def is_beyond_chance(self) -> bool:
        return self.p_value < 1 - LEVEL


def paired_differences(ours: Tally, theirs: Tally, options: BootstrapOptions) -> dict[str, Difference]:
    """Paired bootstrap (Koehn 2004, section 4): score name to the difference `ours` less `theirs`.

    The p-value is twice the smaller share of resamples in which the difference is not above, or not below, 0.
    One is added to both counts (Davison and Hinkley 1997, section 4.2), so that it is never 0.
    """
    our_scores, their_scores = ours.scores(), theirs.scores()
    our_samples, their_samples = resampled_scores(ours, options), resampled_scores(theirs, options)
    differences = {}
    for name in our_scores:
        samples = np.round(our_samples[name] - their_samples[name], _DECIMALS)
        tail = min(np.count_nonzero(samples <= 0), np.count_nonzero(samples >= 0))
        p_value = min(1.0, 2 * (1 + int(tail)) / (1 + options.resamples))
        difference = round(our_scores[name] - their_scores[name], _DECIMALS)
        differences[name] = Difference(difference, interval(samples), p_value)
    return differences


def _draw(random: np.random.Generator, num_sets: int, num_photos: int) -> np.ndarray:
    """How often each photo is in each set: (sets, photos) float."""
    photos = random.integers(num_photos, size=(num_sets, num_photos))
    places = photos + num_photos * np.arange(num_sets)[:, None]
    return np.bincount(places.ravel(), minlength=num_sets * num_photos).reshape(num_sets, num_photos).astype(float)
