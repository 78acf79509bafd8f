"""The chance that a caption is good, told by how probable its words are.

A logistic regression over a few statistics of one caption, fitted on dev photos: whether the sentence CIDEr-D is above
0.5. The mean probability of the words alone tells little: "a", "of" and "the" are probable in any caption. What tells
more is how much more probable the photo makes a content word than it is anyway (pointwise mutual information), where
the word's rank in the vocabulary stands for its frequency (Zipf's law).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from captioner.options.base import in_short, is_a, require
from captioner.tokenizer import UNK_ID

GOOD_CIDER = 0.5  # sentence CIDEr-D, a fraction, above which a caption counts as good
MIN_PHOTOS = 200  # of a dev split that a confidence is fitted on

_RIDGE = 2.0  # the weight decay of the regression, whose statistics are standardised
_NUM_STEPS = 25  # of Newton's method, which needs about 6


@dataclass(frozen=True)
class _Words:
    """What the statistics are taken of: natural logs, the end token's last, and the same of content words."""

    log_probs: np.ndarray
    is_content: np.ndarray  # one shorter: the end is no word
    information: np.ndarray  # of the content words: log-probability in this photo less that in any caption, + constant


STATISTICS: dict[str, Callable[[_Words], float]] = {
    "mean_log_prob": lambda words: _mean(words.log_probs),
    "mean_log_prob_of_function_words": lambda words: _mean(words.log_probs[:-1][~words.is_content]),
    "mean_information": lambda words: _mean(words.information),
    "max_information": lambda words: words.information.max(initial=0.0),
    "num_words": lambda words: float(len(words.is_content)),
}


class Spoken(Protocol):
    """A caption by its tokens, without start and end, and the log-probability of each, the end's last."""

    @property
    def tokens(self) -> tuple[int, ...]: ...

    @property
    def token_log_probs(self) -> tuple[float, ...]: ...


def statistics_of(caption: Spoken, is_content: np.ndarray) -> np.ndarray:
    """(statistics,) float, in the order of `STATISTICS`. is_content: (vocabulary,) bool, of tokens that name things."""
    tokens, log_probs = np.array(caption.tokens, int), np.array(caption.token_log_probs)
    chosen = is_content[tokens]
    information = log_probs[:-1][chosen] + np.log(tokens[chosen] - UNK_ID)
    return np.array([statistic(_Words(log_probs, chosen, information)) for statistic in STATISTICS.values()])


@dataclass(frozen=True)
class Confidence:
    """A fitted regression: of each statistic the weight that it has."""

    intercept: float
    weights: Mapping[str, float]

    def __call__(self, caption: Spoken, is_content: np.ndarray) -> float:
        """The chance that the caption is good, 0 to 1."""
        return float(self.of(statistics_of(caption, is_content)))

    def of(self, statistics: np.ndarray) -> np.ndarray:
        """The same of statistics that are at hand: (..., statistics) -> (...)."""
        return _sigmoid(self.intercept + statistics @ np.array([self.weights.get(name, 0.0) for name in STATISTICS]))

    def to_json(self) -> dict:
        return {"intercept": self.intercept, "weights": dict(self.weights)}

    @classmethod
    def from_json(cls, content: dict) -> "Confidence":
        """Raises: OptionsError when it is not what `to_json` gives, or names a statistic that is not known."""
        is_whole = isinstance(content, dict) and content.keys() == {"intercept", "weights"}
        require(
            is_whole and isinstance(content["weights"], dict), f"confidence must be fitted, not {in_short(content)}"
        )
        unknown = sorted(content["weights"].keys() - STATISTICS.keys())
        require(not unknown, f"unknown statistics of confidence {in_short(unknown)}; known are {sorted(STATISTICS)}")
        for weight in (content["intercept"], *content["weights"].values()):
            is_number = is_a(float, weight) and math.isfinite(weight)
            require(is_number, f"a weight of confidence must be a number, not {in_short(weight)}")
        return cls(float(content["intercept"]), {name: float(each) for name, each in content["weights"].items()})


def fit_confidence(statistics: np.ndarray, is_good: np.ndarray) -> Confidence:
    """statistics: (photos, statistics), as `statistics_of` gives them; is_good: (photos,) bool, of both kinds."""
    mean, spread = statistics.mean(axis=0), statistics.std(axis=0) + 1e-9
    inputs = np.column_stack([(statistics - mean) / spread, np.ones(len(statistics))])
    decay = np.diag([_RIDGE] * statistics.shape[1] + [0.0])
    weights = np.zeros(inputs.shape[1])
    for _ in range(_NUM_STEPS):
        chances = _sigmoid(inputs @ weights)
        slope = inputs.T @ (chances - is_good) + decay @ weights
        curvature = (inputs.T * (chances * (1 - chances))) @ inputs + decay
        weights = weights - np.linalg.solve(curvature, slope)
    weights, intercept = weights[:-1] / spread, weights[-1] - (weights[:-1] * mean / spread).sum()
    rounded = {name: round(float(weight), 6) for name, weight in zip(STATISTICS, weights, strict=True)}
    return Confidence(round(float(intercept), 6), rounded)


def cross_validated(statistics: np.ndarray, is_good: np.ndarray, num_parts: int = 10) -> np.ndarray:
    """(photos,): the confidence of each caption by a regression that was fitted without its photo."""
    found = np.zeros(len(statistics))
    for part in np.array_split(np.random.default_rng(0).permutation(len(statistics)), num_parts):
        others = np.setdiff1d(np.arange(len(statistics)), part)
        found[part] = fit_confidence(statistics[others], is_good[others]).of(statistics[part])
    return found


def area_under_curve(confidences: np.ndarray, is_good: np.ndarray) -> float:
    """The chance that of a good and a bad caption the good one has the higher confidence (Mann and Whitney 1947)."""
    order = np.argsort(confidences, kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    for value in np.unique(confidences):  # equal ones share their ranks
        ranks[confidences == value] = ranks[confidences == value].mean()
    num_good, num_bad = int(is_good.sum()), int((~is_good).sum())
    return float((ranks[is_good].sum() - num_good * (num_good + 1) / 2) / (num_good * num_bad))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
