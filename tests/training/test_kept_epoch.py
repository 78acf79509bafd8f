"""Which epoch is kept: what chance can turn does not choose."""

import numpy as np
import pytest

from captioner.training.selection import DevResult, num_epochs_without_progress, paired_difference, select

NOISE = np.random.default_rng(0).normal(0, 0.5, size=(9, 400))  # a standard error of 0.035 for a difference of two


def results_of(*means_and_losses, noise=NOISE):
    return [
        DevResult(epoch, tuple((mean + noise[epoch] - noise[epoch].mean()).tolist()), loss)
        for epoch, (mean, loss) in enumerate(means_and_losses, start=1)
    ]


@pytest.mark.parametrize(
    ("means_and_losses", "kept"),
    [
        ([(0.80, 3.0), (0.90, 2.8), (0.95, 2.7)], 3),
        ([(0.90, 2.8), (0.88, 2.7)], 2),  # worse by less than chance, and less surprised
        ([(0.90, 2.7), (0.92, 2.8)], 1),  # better by less than chance, and more surprised
        ([(0.90, 2.7), (1.00, 2.8)], 2),  # better beyond chance
        ([(0.90, 2.8), (0.80, 2.7)], 1),  # worse beyond chance
        ([(0.90, 2.9), (0.88, 2.8), (0.86, 2.7), (0.84, 2.6)], 2),  # small steps down add up
        ([(0.90, None), (0.88, None), (0.91, None)], 3),  # where the loss is not lowered, later is better
        ([(0.90, None), (0.80, None)], 1),
    ],
)
def test_an_epoch_is_kept_that_is_not_worse_by_more_than_chance_and_has_less_loss(means_and_losses, kept):
    assert select(results_of(*means_and_losses)).epoch == kept


def test_the_last_epoch_is_kept_without_a_dev_split():
    assert select([DevResult(1), DevResult(2), DevResult(3)]).epoch == 3


@pytest.mark.parametrize(("losses", "kept"), [((3.0, 2.0, 2.5), 2), ((None, None, None), 3)])
def test_a_single_photo_whose_cider_is_always_0_leaves_the_choice_to_the_loss(losses, kept):
    assert select([DevResult(epoch, (0.0,), loss) for epoch, loss in enumerate(losses, start=1)]).epoch == kept


def test_a_difference_is_paired_over_photos():
    one, other = DevResult(1, (0.1, 0.5, 0.9)), DevResult(2, (0.2, 0.6, 1.3))
    mean, error = paired_difference(other, one)
    assert mean == pytest.approx(0.2)
    assert error == pytest.approx(np.std([0.1, 0.1, 0.4], ddof=1) / 3**0.5)
    assert paired_difference(DevResult(1, (0.7,)), DevResult(2, (0.5,))) == (pytest.approx(0.2), 0.0)


@pytest.mark.parametrize(
    ("means_and_losses", "num_epochs"),
    [
        ([(0.8, 3.0)], 0),
        ([(0.9, 3.0), (0.8, 2.9)], 0),  # the loss still falls
        ([(0.8, 2.9), (0.9, 3.0)], 0),  # the scores still rise
        ([(0.9, 2.9), (0.8, 3.0), (0.8, 3.0)], 2),
        ([(0.9, None), (0.8, None)], 1),
    ],
)
def test_progress_is_a_better_score_or_less_loss(means_and_losses, num_epochs):
    assert num_epochs_without_progress(results_of(*means_and_losses)) == num_epochs


def test_without_a_dev_split_there_is_always_progress():
    assert num_epochs_without_progress([]) == num_epochs_without_progress([DevResult(1), DevResult(2)]) == 0


def test_chance_chooses_a_worse_epoch_less_often_than_by_the_highest_score():
    """Epochs that truly rise by little, seen through a small dev split of photos that differ much."""
    generator, chosen = np.random.default_rng(1), {"kept": 0.0, "highest": 0.0}
    truth = [(0.80, 2.70), (0.85, 2.60), (0.87, 2.55), (0.88, 2.53)]
    for _ in range(200):
        photos = generator.normal(0, 1, 100)
        results = [
            DevResult(epoch, tuple((mean + photos + generator.normal(0, 0.5, 100)).tolist()), loss)
            for epoch, (mean, loss) in enumerate(truth, start=1)
        ]
        chosen["kept"] += truth[select(results).epoch - 1][0]
        chosen["highest"] += truth[max(results, key=lambda result: result.mean).epoch - 1][0]
    assert chosen["kept"] > chosen["highest"]
