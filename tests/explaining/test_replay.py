"""A caption taken apart is the very caption, and its numbers are those of the steps that chose its words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captioner import Captioner
from captioner.decoder_weights import whole_decoder_weights
from captioner.decoding import beam_search
from captioner.errors import ImageError, ModelError, OptionsError
from captioner.explaining import CELLS, explain
from captioner.explaining import replay as replay_module
from captioner.explaining.cells import step_inside
from captioner.explaining.weights import read_cell
from captioner.options import DecodingOptions

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
SHIPPED = ("everyday", "flickr8k", "flickr8k-gru", "flickr8k-rnn")


@pytest.fixture(scope="module", params=[*SHIPPED, "tiny", "blind"])
def explained(request):
    """`(captioner, photo, its explanation)` of the shipped models and of two that were trained for a moment."""
    if request.param in SHIPPED:
        model, photo = request.param, PHOTOS / "dogs_at_window.jpg"
    else:
        model = request.getfixturevalue(f"{request.param}_model_dir")
        dataset = request.getfixturevalue("drawings_dataset")
        photo = dataset.photo_path(dataset.split("test")[0])
    captioner = Captioner.load(model)
    return captioner, photo, explain(captioner, photo)


def test_the_caption_is_exactly_what_captioning_says(explained):
    captioner, photo, explanation = explained
    caption = captioner.caption(photo)
    assert (explanation.caption, explanation.log_prob) == (caption.text, caption.log_prob)
    assert explanation.confidence == pytest.approx(caption.confidence)
    assert explanation.model == caption.model


@pytest.mark.parametrize("beam_size", [1, 3])
def test_so_it_is_for_a_search_of_another_width(beam_size, tiny_model_dir, drawings_dataset):
    captioner, photo = Captioner.load(tiny_model_dir), drawings_dataset.photo_path(drawings_dataset.split("test")[1])
    options = DecodingOptions(beam_size=beam_size)
    explanation, caption = explain(captioner, photo, options), captioner.caption(photo, options)
    assert (explanation.caption, explanation.log_prob) == (caption.text, caption.log_prob)
    assert 1 <= len(explanation.beams) <= beam_size


def test_the_steps_lead_from_the_start_to_the_end_and_sum_to_the_caption_s_log_probability(explained):
    captioner, _, explanation = explained
    steps = explanation.steps
    assert (steps[0].read, steps[-1].chosen.token) == ("<start>", "<end>")
    assert [step.read for step in steps[1:]] == [step.chosen.token for step in steps[:-1]]
    ids = [captioner.tokenizer.id_of(step.chosen.token) for step in steps[:-1]]
    assert captioner.tokenizer.decode(ids) == explanation.caption
    assert sum(step.chosen.log_prob for step in steps) == pytest.approx(explanation.log_prob, abs=1e-4)


def test_runners_up_come_likeliest_first_and_are_not_what_was_chosen(explained):
    for step in explained[2].steps:
        probabilities = [candidate.probability for candidate in step.runners_up]
        assert len(probabilities) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert step.chosen.token not in {candidate.token for candidate in step.runners_up}
        assert 0 < step.chosen.probability + sum(probabilities) <= 1 + 1e-6


def test_attention_is_a_square_map_a_step_that_sums_to_1(explained):
    captioner, _, explanation = explained
    if not captioner.folder.network.attention:
        assert explanation.attention is None
        return
    side = {100: 10}[captioner.folder.encoder.num_regions]
    assert explanation.attention.shape == (len(explanation.steps), side, side)
    np.testing.assert_allclose(explanation.attention.sum(axis=(1, 2)), 1, atol=1e-4)


def test_every_part_of_the_cell_is_there_in_every_step(explained):
    captioner, _, explanation = explained
    cell, units = CELLS[explanation.decoder], captioner.folder.network.units
    assert explanation.activations.keys() == {name for names in cell.parts.values() for name in names}
    for name, values in explanation.activations.items():
        assert values.shape == (len(explanation.steps), units)
        if name.endswith("gate"):
            assert values.min() >= 0 and values.max() <= 1 and values.std() > 0


def test_the_graph_of_litert_computes_what_the_equations_say(explained):
    """Each step from the state before it, by the weights in the file: what is shown is what chose the word."""
    captioner, _, explanation = explained
    network, decoder = captioner.folder.network, explanation.decoder
    with whole_decoder_weights(captioner.folder.path) as path:
        weights, embeddings = read_cell(path, network, captioner.folder.vocabulary_size)
    before = explanation.first_state
    for number, step in enumerate(explanation.steps):
        token = captioner.tokenizer.tokens.index(step.read)
        found = step_inside(decoder, weights, embeddings[token], before)
        for name, values in found.items():
            np.testing.assert_allclose(explanation.activations[name][number], values, atol=1e-4)
        before = {name: explanation.activations[name][number] for name in CELLS[decoder].states}


def test_the_memory_forgets_most_where_its_gate_is_lowest(explained):
    explanation = explained[2]
    if explanation.decoder == "rnn":
        assert explanation.forgets_most is None
        return
    gate = explanation.activation({"lstm": "forget_gate", "gru": "update_gate"}[explanation.decoder])
    assert gate.mean(axis=1)[explanation.forgets_most] == gate.mean(axis=1).min()


def test_beams_are_ranked_by_score_and_the_first_is_the_caption(explained):
    captioner, photo, explanation = explained
    scores = [beam.score for beam in explanation.beams]
    assert scores == sorted(scores, reverse=True)
    options = replace(captioner.folder.decoding, num_candidates=captioner.folder.decoding.beam_size)
    candidates = captioner.caption(photo, options).candidates
    assert [beam.text for beam in explanation.beams] == [caption.text for caption in candidates]


def test_a_part_of_another_cell_is_refused_in_one_line():
    explanation = explain(Captioner.load("flickr8k-rnn"), PHOTOS / "dog.jpg")
    with pytest.raises(OptionsError, match=r"^an RNN has no forget_gate; what can be seen of it: hidden$"):
        explanation.activation("forget_gate")
    assert explanation.activation("hidden") is explanation.activations["hidden"]


def test_weights_that_are_not_those_of_the_graph_are_refused(tiny_model_dir, monkeypatch):
    def other_weights(*arguments):
        weights, embeddings = read_cell(*arguments)
        return replace(weights, bias=weights.bias + 0.1), embeddings

    monkeypatch.setattr(replay_module, "read_cell", other_weights)
    with pytest.raises(ModelError, match=r"decoder\.weights\.h5 and decoder\.tflite hold different weights"):
        explain(Captioner.load(tiny_model_dir), PHOTOS / "dog.jpg")


def test_a_photo_that_is_not_there_is_named():
    with pytest.raises(ImageError, match=r"^nosuch\.jpg: no such file$"):
        explain(Captioner.load("flickr8k-rnn"), "nosuch.jpg")


LETTERS = 7  # four special tokens and three letters


def random_step(seed):
    """A decoder of letters whose state is what was spoken, and whose choices are drawn at random, one a state."""
    table = np.random.default_rng(seed).normal(0, 1.5, size=(101, LETTERS))
    table -= np.log(np.exp(table).sum(axis=1, keepdims=True))

    def step(token, state, **constants):
        state = (state * 10 + token[..., None]) % 101
        return {"log_probs": table[state[..., 0].astype(int)], "state": state}

    return step, {"state": np.ones((1, 1))}


@pytest.mark.parametrize("length_exponent", [0.0, 0.7, 1.5])
def test_the_best_caption_is_the_same_however_many_the_search_is_asked_for(length_exponent):
    options = DecodingOptions(beam_size=5, max_words=8, length_exponent=length_exponent)
    for seed in range(100):
        step, image = random_step(seed)
        (alone,) = beam_search(step, image, options)
        (ranked,) = beam_search(step, image, replace(options, num_candidates=options.beam_size))
        assert ranked[0] == alone[0], seed
