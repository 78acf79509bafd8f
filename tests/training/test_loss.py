"""The loss of teacher forcing, against its definition written out in NumPy."""

import numpy as np
import pytest

from captioner.training.loss import weighted_loss

VOCABULARY_SIZE = 7


@pytest.fixture
def batch():
    """logits (2 photos, 3 captions, 4 tokens, vocabulary), targets, weights"""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (2, 3, 4, VOCABULARY_SIZE)).astype(np.float32)
    targets = random.integers(0, VOCABULARY_SIZE, (2, 3, 4)).astype(np.int32)
    weights = random.integers(0, 2, (2, 3, 4)).astype(np.float32)
    return logits, targets, weights


def written_out(logits, targets, weights, smoothing):
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    total = 0.0
    for place in np.ndindex(*targets.shape):
        wanted = np.full(VOCABULARY_SIZE, smoothing / VOCABULARY_SIZE)
        wanted[targets[place]] += 1 - smoothing
        total -= weights[place] * (wanted * np.log(probabilities[place])).sum()
    return total / weights.sum()


def mean_loss(logits, targets, weights, smoothing):
    """As the trainer takes it."""
    return weighted_loss(logits, targets, weights, smoothing) / weights.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_smoothed_cross_entropy_a_position_that_counts(batch, smoothing):
    assert float(mean_loss(*batch, smoothing)) == pytest.approx(written_out(*batch, smoothing), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary(smoothing):
    loss = mean_loss(
        np.zeros((2, 3, VOCABULARY_SIZE)), np.ones((2, 3), np.int32), np.ones((2, 3), np.float32), smoothing
    )
    assert float(loss) == pytest.approx(np.log(VOCABULARY_SIZE))


def test_being_certain_and_right_costs_nothing_without_smoothing_and_something_with_it():
    logits = np.full((1, 1, VOCABULARY_SIZE), -100.0, np.float32)
    logits[..., 2] = 100
    targets, weights = np.full((1, 1), 2), np.ones((1, 1), np.float32)
    assert float(mean_loss(logits, targets, weights, 0.0)) == pytest.approx(0, abs=1e-5)
    assert float(mean_loss(logits, targets, weights, 0.1)) == pytest.approx(0.1 * 6 / 7 * 200, rel=1e-5)


def test_what_weighs_nothing_counts_nothing(batch):
    logits, targets, weights = batch
    before = float(mean_loss(logits, targets, weights, 0.1))
    logits[weights == 0] = 50
    targets[weights == 0] = 0
    assert float(mean_loss(logits, targets, weights, 0.1)) == pytest.approx(before, rel=1e-6)


def test_a_mean_over_more_of_the_same_is_the_same(batch):
    twice = [np.concatenate([array, array]) for array in batch]
    assert float(mean_loss(*twice, 0.1)) == pytest.approx(float(mean_loss(*batch, 0.1)), rel=1e-5)


def test_adding_the_same_to_every_logit_changes_nothing_even_where_it_is_large(batch):
    logits, targets, weights = batch
    loss = float(mean_loss(logits + 1000, targets, weights, 0.1))
    assert loss == pytest.approx(float(mean_loss(logits, targets, weights, 0.1)), rel=1e-3)


def test_logits_of_half_precision_are_summed_in_full(batch):
    logits, targets, weights = batch
    loss = mean_loss(logits.astype(np.float16), targets, weights, 0.1)
    assert "float32" in str(loss.dtype)
    assert float(loss) == pytest.approx(written_out(logits.astype(np.float16), targets, weights, 0.1), rel=1e-4)
