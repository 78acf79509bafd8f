"""The gradient through time is the derivative it says it is."""

import keras
import numpy as np
import pytest

from captioner.comparison.gradient import (
    GivenCaption,
    gradient_norms,
    gradients_through_time,
    long_captions,
)
from captioner.datasets import Example
from captioner.model import build_network
from captioner.options import NetworkOptions
from captioner.tokenizer import START_ID, Tokenizer

REGIONS, DEPTH, UNITS, VOCABULARY = 3, 4, 6, 9
STEPS = 5
TOKENS = np.array([[START_ID, 4, 5, 6, 7], [START_ID, 8, 4, 4, 6]], np.int32)
LAST_WORDS = np.array([8, 5], np.int32)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(2, REGIONS, DEPTH)).astype(np.float16)


def network_of(decoder, attention=True):
    keras.utils.set_random_seed(1)
    options = NetworkOptions(decoder, attention, units=UNITS, embedding_dim=3)
    network = build_network(options, VOCABULARY, REGIONS, DEPTH)
    random = np.random.default_rng(2)
    for variable in network.trainable_variables:  # far from 0, so that no derivative is
        variable.assign(random.normal(0, 0.6, variable.shape))
    return network


def states_of(network, features):
    """The states h_0 ... h_N, each `num_states` arrays (captions, 1, units)."""
    image = network.begin(features.astype(np.float32))
    state = image.pop("state")[:, None].numpy()
    chain = [np.split(state, network.num_states, axis=-1)]
    for step in range(STEPS):
        chain.append([s.numpy() for s in network.move(TOKENS[:, step : step + 1], chain[-1])])
    return chain, image


def losses_from(network, image, states, step):
    """The loss of each caption, (captions,), from the states after `step` words on."""
    for later in range(step, STEPS):
        states = network.move(TOKENS[:, later : later + 1], states)
    log_probs = network.choose(states[0], **image)["log_probs"].numpy()[:, 0]
    return -log_probs[np.arange(2), LAST_WORDS]


def differences(network, features, place, steps_back, size=5e-3):
    """dL/ds by central differences, (captions, units); what the memory moves of the hidden state moves with it."""
    chain, image = states_of(network, features)
    step = STEPS - steps_back
    found = np.empty((2, UNITS))
    for unit in range(UNITS):
        losses = []
        for sign in (1, -1):
            states = [state.copy() for state in chain[step]]
            states[place][:, 0, unit] += sign * size
            if place == 1 and step > 0:  # h = read * tanh(c), but for the first states, which the photo gives apart
                read = chain[step][0] / np.tanh(chain[step][1])
                states[0] = (read * np.tanh(states[1])).astype(np.float32)
            losses.append(losses_from(network, image, states, step))
        found[:, unit] = (losses[0] - losses[1]) / (2 * size)
    return found


@pytest.mark.parametrize(("decoder", "steps_back"), [("lstm", 2), ("lstm", STEPS), ("gru", 2)])
def test_it_is_what_finite_differences_give(decoder, steps_back, features):
    network = network_of(decoder)
    gradients = gradients_through_time(network, features, TOKENS, LAST_WORDS)
    assert list(gradients) == (["hidden", "memory"] if decoder == "lstm" else ["hidden"])
    for place, name in enumerate(gradients):
        assert gradients[name].shape == (STEPS + 1, 2, UNITS)
        expected = differences(network, features, place, steps_back)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradients[name][steps_back], expected, atol=2e-4, rtol=2e-2)


@pytest.mark.parametrize("attention", [True, False])
def test_of_an_rnn_it_is_the_product_of_its_jacobians(attention, features):
    network = network_of("rnn", attention)
    found = gradients_through_time(network, features, TOKENS, LAST_WORDS)["hidden"]
    chain, _ = states_of(network, features)
    kernel = network.recurrent.cell.recurrent_kernel.numpy().astype(np.float64)
    for caption in range(2):
        gradient = found[0, caption].astype(np.float64)
        for steps_back in range(1, STEPS + 1):
            hidden = chain[STEPS - steps_back + 1][0][caption, 0]
            jacobian = np.diag(1 - hidden.astype(np.float64) ** 2) @ kernel.T  # dh_t / dh_(t-1), tanh of W'h + ...
            gradient = gradient @ jacobian
            np.testing.assert_allclose(found[steps_back, caption], gradient, rtol=1e-4, atol=1e-7)


def test_norms_are_geometric_means_over_captions_of_any_length_up_to_the_shortest(features):
    network = network_of("lstm")
    captions = [GivenCaption(0, (4, 5, 6, 7, 8)), GivenCaption(1, (8, 4, 4, 6, 5)), GivenCaption(1, (4, 8, 7))]
    found = gradient_norms(network, captions, features)
    together = gradients_through_time(network, features, TOKENS, LAST_WORDS)
    alone = gradients_through_time(
        network, features[1:], np.array([[START_ID, 4, 8]], np.int32), np.array([7], np.int32)
    )
    for name, measured in found.items():
        norms = np.linalg.norm(np.concatenate([together[name][:4], alone[name]], axis=1), axis=-1)  # (k, captions)
        np.testing.assert_allclose(measured["norm"], np.exp(np.log(norms).mean(1)), rtol=1e-4)
        np.testing.assert_allclose(measured["share"], measured["norm"] / np.array(measured["norm"][0]), rtol=1e-4)
        low, high = measured["quartiles"]
        assert len(low) == len(high) == 4 and all(a <= b for a, b in zip(low, high, strict=True))


def test_a_forget_gate_held_open_carries_the_memory_s_gradient_and_a_closed_one_ends_it(features):
    """Bias aside, nothing speaks: what is left a step back is the forget gate alone."""
    network = network_of("lstm")
    cell = network.recurrent.cell
    cell.recurrent_kernel.assign(np.zeros(cell.recurrent_kernel.shape))
    shares = {}
    for bias in (9.0, -9.0):
        values = cell.bias.numpy()
        values[UNITS : 2 * UNITS] = bias
        cell.bias.assign(values)
        norms = np.linalg.norm(gradients_through_time(network, features, TOKENS, LAST_WORDS)["memory"], axis=-1)
        shares[bias] = norms[-1] / norms[0]
    assert shares[9.0] == pytest.approx([1, 1], abs=0.05)
    assert shares[-9.0].max() < 1e-9


def test_long_captions_are_those_of_enough_words_or_the_longest_there_are():
    tokenizer = Tokenizer.learn(["a b c d e"], min_count=1)
    examples = [Example("0.jpg", ("a b c", "a"), "dev"), Example("1.jpg", ("a b", "d e c"), "dev")]
    found = long_captions(examples, [7, 3], tokenizer, least_words=2)
    assert [(caption.row, len(caption.ids)) for caption in found] == [(7, 3), (3, 2), (3, 3)]
    assert [len(caption.ids) for caption in long_captions(examples, [7, 3], tokenizer)] == [3, 3]


def test_of_many_long_captions_three_hundred_are_taken_evenly():
    tokenizer = Tokenizer.learn(["a b"], min_count=1)
    examples = [Example(f"{number}.jpg", ("a b",), "dev") for number in range(601)]
    rows = [caption.row for caption in long_captions(examples, range(601), tokenizer)]
    assert len(rows) == len(set(rows)) == 300 and rows[0] == 0 and rows[-1] == 600
