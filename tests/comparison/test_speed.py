"""Steps are taken in turn; of each batch the quickest counts."""

import numpy as np
import pytest

from captioner.comparison.speed import Speed, in_turn, speed_of


def test_every_batch_is_given_to_all_before_the_next_one():
    seen = []
    steps = {name: lambda batch, name=name: seen.append((batch, name)) for name in ("rnn", "gru")}
    taken = in_turn(steps, ["a", "b"], 2)
    assert seen == 2 * [("a", "rnn"), ("a", "gru"), ("b", "rnn"), ("b", "gru")]
    assert {name: seconds.shape for name, seconds in taken.items()} == {"rnn": (2, 2), "gru": (2, 2)}
    assert all((seconds >= 0).all() for seconds in taken.values())


def test_steps_that_were_disturbed_do_not_count():
    quiet = np.array([[1.0, 2.0], [1.1, 2.0], [1.0, 2.0], [1.1, 2.0]])
    busy = quiet + [[0, 50], [60, 0], [70, 0], [0, 80]]
    for seconds in (quiet, busy):
        found = speed_of(seconds, batches_an_epoch=10)
        assert (found.low, found.high) == (pytest.approx(30), pytest.approx(31))


def test_halves_that_differ_say_how_unsure_it_is():
    assert speed_of(np.array([[9.0], [1.0], [8.0], [2.0]]), batches_an_epoch=1) == Speed(1.0, 8.0)
