"""Steps are taken in turn, and counted by their tokens."""

from types import SimpleNamespace

import numpy as np

from captioner.comparison import speed


def test_every_batch_is_given_to_all_before_the_next_one_and_told_by_its_tokens(monkeypatch):
    clock = iter(range(0, 1000, 6))  # every look at it is 6 s later than the one before
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))
    batches = [SimpleNamespace(name=name, weights=np.ones((1, tokens))) for name, tokens in (("a", 2), ("b", 3))]
    seen = []
    steps = {name: lambda batch, name=name: seen.append((batch.name, name)) for name in ("rnn", "gru")}
    taken = speed.in_turn(steps, batches)
    assert seen == [("a", "rnn"), ("a", "gru"), ("b", "rnn"), ("b", "gru")]
    assert taken == {"rnn": [3.0, 2.0], "gru": [3.0, 2.0]}
