import json

import numpy as np
import pytest
from made_up import WORDS, made_up_explanation

from captioner.explaining import CELLS
from captioner.outputs.explanation_records import explanation_record


@pytest.fixture(params=["lstm", "gru", "rnn"])
def explanation(request):
    return made_up_explanation(request.param)


def test_every_number_of_the_explanation_is_in_the_record(explanation):
    record = json.loads(json.dumps(explanation_record(explanation, "zebra.jpg")))
    assert (record["file_name"], record["model"], record["text"]) == (
        "zebra.jpg",
        "made up",
        "a zebra jumps over ladders",
    )
    assert record["states"] == list(CELLS[explanation.decoder].states)
    for name, values in explanation.activations.items():
        told = [step["activations"][name] for step in record["steps"]]
        np.testing.assert_allclose(told, values, atol=1e-7)
    for name, values in explanation.first_state.items():
        np.testing.assert_allclose(record["first_state"][name], values, atol=1e-7)
    np.testing.assert_allclose([step["attention"] for step in record["steps"]], explanation.attention, atol=1e-7)


def test_steps_tell_what_was_read_and_chosen_and_what_else_there_was(explanation):
    steps = explanation_record(explanation, "zebra.jpg")["steps"]
    assert [step["chosen"]["token"] for step in steps] == list(WORDS)
    assert [step["read"] for step in steps] == ["<start>", *WORDS[:-1]]
    assert steps[1]["chosen"]["probability"] == pytest.approx(0.25)
    assert [candidate["token"] for candidate in steps[1]["runners_up"]] == ["not-zebra", "nor"]


def test_beams_come_with_their_scores(explanation):
    assert explanation_record(explanation, "zebra.jpg")["beams"] == [
        {"text": "a zebra jumps over ladders", "log_prob": -8.25, "score": -2.5},
        {"text": "what was turned down", "log_prob": -8.75, "score": -3.125},
    ]


def test_a_model_without_attention_tells_of_none():
    record = explanation_record(made_up_explanation(attention=False), "zebra.jpg")
    assert record["num_heads"] == 0
    assert all("attention" not in step for step in record["steps"])
