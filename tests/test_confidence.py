"""Confidence: a regression over how probable a caption's words are."""

import json

import numpy as np
import pytest

from captioner.confidence import (
    STATISTICS,
    Confidence,
    area_under_curve,
    cross_validated,
    fit_confidence,
    statistics_of,
)
from captioner.decoding import Hypothesis
from captioner.errors import OptionsError

IS_CONTENT = np.array([False] * 6 + [True] * 4)  # four special tokens, two function words, four content words


def test_statistics_are_those_of_the_words():
    caption = Hypothesis((4, 7, 5, 9), -5.0, (-0.5, -1.0, -0.25, -3.0, -0.25))
    found = dict(zip(STATISTICS, statistics_of(caption, IS_CONTENT), strict=True))
    information = -1.0 + np.log(4), -3.0 + np.log(6)  # of the fourth and the sixth word of the vocabulary
    assert found == pytest.approx(
        {
            "mean_log_prob": -1.0,
            "mean_log_prob_of_function_words": -0.375,
            "mean_information": np.mean(information),
            "max_information": max(information),
            "num_words": 4,
        }
    )


def test_an_empty_caption_has_statistics():
    assert np.isfinite(statistics_of(Hypothesis((), -0.5, (-0.5,)), IS_CONTENT)).all()


@pytest.fixture(scope="module")
def drawn():
    """Statistics, and which captions are good: by the first of them, and by chance."""
    generator = np.random.default_rng(0)
    statistics = generator.normal(3, 2, (4000, len(STATISTICS)))
    chances = 1 / (1 + np.exp(-(statistics[:, 0] - 3.5)))
    return statistics, generator.random(4000) < chances


def test_a_fit_finds_the_regression_that_drew_the_captions(drawn):
    fitted = fit_confidence(*drawn)
    assert list(fitted.weights.values()) == pytest.approx([1, 0, 0, 0, 0], abs=0.1)
    assert fitted.intercept == pytest.approx(-3.5, abs=0.4)


def test_of_captions_with_a_confidence_so_many_are_good(drawn):
    statistics, is_good = drawn
    confidences = cross_validated(statistics, is_good)
    for low in (0.2, 0.4, 0.6, 0.8):
        chosen = (confidences >= low) & (confidences < low + 0.2)
        assert is_good[chosen].mean() == pytest.approx(confidences[chosen].mean(), abs=0.06)


def test_the_area_under_the_curve_counts_the_pairs_in_order():
    confidences, is_good = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert area_under_curve(confidences, is_good) == 0.75
    assert area_under_curve(np.full(4, 0.5), is_good) == 0.5
    assert area_under_curve(is_good.astype(float), is_good) == 1


def test_it_is_read_as_it_was_written(drawn):
    fitted = fit_confidence(*drawn)
    assert Confidence.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"intercept": "much", "weights": {}},
        {"intercept": 0.0, "weights": ["mean_log_prob"]},
        {"intercept": 0.0, "weights": {"mood": 1.0}},
        {"intercept": True, "weights": {}},
        {"intercept": 0.0, "weights": {"num_words": "1"}},
        {"intercept": float("nan"), "weights": {}},
    ],
)
def test_what_is_no_confidence_is_refused(content):
    with pytest.raises(OptionsError, match="confidence"):
        Confidence.from_json(content)


def test_a_confidence_is_a_chance():
    caption = Hypothesis((4, 7), -1e9, (-1e9, -1.0, -1.0))
    assert 0 <= Confidence(0.0, {"mean_log_prob": 1.0})(caption, IS_CONTENT) <= 1
    assert Confidence(0.0, {})(caption, IS_CONTENT) == 0.5
