"""The sentences say what the figures say, whichever way round they are."""

import pytest
from made_up_reports import facts, report_of, three

from captioner.comparison.findings import amount, findings


def sentence(report, part):
    """The one finding that has the part in it."""
    (found,) = [sentence for sentence in findings(report) if part in sentence]
    return found


def test_who_is_ahead_by_how_much_and_whether_that_is_beyond_chance():
    assert sentence(three(), "CIDEr-D") == (
        "On dev (1,000 photos) the LSTM has the highest CIDEr-D, 56.0."
        " The GRU is 0.7 behind (95% interval of the difference -1.3 to +3.7): may be chance."
        " The RNN is 3.5 behind (95% interval of the difference +0.5 to +5.5): beyond chance."
    )


def test_an_rnn_that_is_ahead_is_said_to_be():
    report = report_of({"rnn": facts(cider=0.6), "lstm": facts(cider=0.5, memory=0.9)}, [("rnn", "lstm", 0.1, 0.002)])
    assert "the RNN has the highest CIDEr-D, 60.0. The LSTM is 10.0 behind" in sentence(report, "CIDEr-D")


def test_test_decides_where_there_is_one():
    report = three()
    report["differences"]["test"] = report["differences"]["dev"]
    for decoder in report["decoders"].values():
        decoder["scores"]["test"] = decoder["scores"]["dev"] | {"num_photos": 77}
    assert sentence(report, "CIDEr-D").startswith("On test (77 photos) ")


def test_who_is_least_surprised():
    assert sentence(three(), "nats") == (
        "The LSTM is least surprised by what people wrote of dev: 2.400 nats a token;"
        " 0.020 above it the GRU and 0.100 above it the RNN."
    )


def test_who_is_trained_fastest():
    assert sentence(three(), "fastest") == (
        "The RNN is trained fastest, 64 s an epoch; the GRU takes 1.28 times as long and the LSTM takes 1.56 times"
        " as long."
    )


def test_seconds_that_the_measurement_cannot_tell_apart_are_not_told_apart():
    report = three()
    report["decoders"]["rnn"]["seconds_per_epoch"]["high"] = 90
    said = "the GRU takes as long (as far as it could be measured) and the LSTM takes 1.56 times as long."
    assert said in sentence(report, "fastest")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (82, "is trained in 0.82 of the LSTM's time"),
        (98, "is neither faster nor slower to train than the LSTM here, as far as it could be measured"),
        (102, "is neither faster nor slower to train than the LSTM here, as far as it could be measured"),
        (130, "is slower to train than the LSTM here, by a factor of 1.30"),
    ],
)
def test_whether_the_gru_is_faster_is_what_was_measured(seconds, said):
    lstm = facts(seconds=100, parameters=6_000_000, memory=0.9)
    report = report_of({"lstm": lstm, "gru": facts(seconds=seconds, parameters=5_400_000)})
    assert sentence(report, "The GRU, with") == (
        f"The GRU, with 10.0% fewer parameters, {said}; a caption carries 0.50 of the bytes from word to word."
    )


def test_what_is_left_of_the_gradient_is_listed_from_least_to_most():
    assert sentence(three(), "Of the gradient") == (
        "Of the gradient of the loss at a caption's last word, this is left 12 steps back in the trained networks"
        " (geometric mean over 300 captions of dev, each of 12 words or more): 1.4% (RNN; a factor of 0.70 a step),"
        " 3.2% (LSTM, hidden state; a factor of 0.75 a step), 6.9% (GRU; a factor of 0.80 a step) and 54% (LSTM,"
        " memory cell; a factor of 0.95 a step). Before training it was 0.024% (RNN), 0.024% (LSTM, hidden state),"
        " 0.024% (GRU) and 0.024% (LSTM, memory cell)."
    )


@pytest.mark.parametrize(
    ("rnn", "memory", "said"),
    [
        (0.7, 0.95, "falls away, and the LSTM's memory cell carries 39.0 times as much of its own."),
        (0.99, 0.8, "holds, but the LSTM's memory cell carries no more of its own: 7.8% of what the RNN does."),
        (1.2, 1.2, "grows, and the LSTM's memory cell carries as much of its own."),
    ],
)
def test_whether_the_memory_cell_mends_the_rnn_is_what_was_measured(rnn, memory, said):
    report = report_of({"rnn": facts(fades=rnn), "lstm": facts(memory=memory)})
    assert sentence(report, "Over these") == f"Over these 12 steps the RNN's gradient {said}"


def test_what_was_not_measured_is_not_spoken_of():
    without_dev = {"dev_loss": None, "scores": {}}
    found = findings(report_of({"rnn": facts(**without_dev), "gru": facts(**without_dev)}))
    assert not any(word in " ".join(found) for word in ("CIDEr", "nats", "LSTM", "None"))
    assert len(found) == 3


def test_the_seed_and_what_it_does_not_say_come_last():
    assert findings(three())[-1].startswith("Each was trained once, with seed 3: the intervals say")


@pytest.mark.parametrize(
    ("share", "said"),
    [(3.14, "3.1 times as much"), (1.234, "123%"), (0.5, "50%"), (0.0312, "3.1%"), (1e-5, "0.001%")]
    + [(2.4e-7, "a share of 2e-07")],
)
def test_amounts_are_said_as_people_say_them(share, said):
    assert amount(share) == said
