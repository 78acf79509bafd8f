"""Six networks, one way through: RNN, LSTM and GRU, each with attention and without."""

from functools import cache

import keras
import numpy as np
import pytest

from captioner.model import Packing, build_network
from captioner.options import DECODERS, NetworkOptions
from captioner.tokenizer import START_ID
from captioner.training.loss import weighted_loss

UNITS, VOCABULARY_SIZE, NUM_REGIONS, DEPTH = 6, 11, 4, 3
SIX = [(decoder, attention) for decoder in DECODERS for attention in (False, True)]


@cache
def tiny_network(decoder, attention):
    return new_network(decoder, attention)


def new_network(decoder, attention):
    keras.utils.set_random_seed(5)
    options = NetworkOptions(decoder, attention, units=UNITS, embedding_dim=5, dropout=0.5)
    return build_network(options, VOCABULARY_SIZE, NUM_REGIONS, DEPTH)


@pytest.fixture(scope="module", params=SIX, ids=lambda p: p[0] + (" with attention" if p[1] else ""))
def network(request):
    return tiny_network(*request.param)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(0, 2, (3, NUM_REGIONS, DEPTH)).astype(np.float32)


@pytest.fixture
def tokens():
    """(3 photos, 2 captions, 5 tokens)"""
    drawn = np.random.default_rng(1).integers(4, VOCABULARY_SIZE, (3, 2, 5)).astype(np.int32)
    drawn[..., 0] = START_ID
    return drawn


def arrays(outputs):
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def teach(network, features, tokens, **options):
    """Logits (photos, captions, time, vocabulary) of captions that speak at every position."""
    packing = Packing.of(np.full(tokens.shape[:2], tokens.shape[2], np.int32), tokens.shape[2])
    rows = network(features, tokens, packing=packing, **options)
    return keras.ops.convert_to_numpy(packing.unpack(rows))


def loss_of(network, features, tokens, targets, weights):
    """As the trainer takes it: spoken is what weighs something."""
    packing = Packing.of(weights.astype(bool).sum(axis=-1, dtype=np.int32), tokens.shape[2])
    logits = network(features, tokens, packing=packing)
    return float(weighted_loss(logits, packing.pack(targets), packing.pack(weights), 0.1)) / weights.sum()


def test_teaching_gives_a_logit_for_every_word_at_every_place(network, features, tokens):
    assert teach(network, features, tokens).shape == (3, 2, 5, VOCABULARY_SIZE)


def test_begin_gives_what_the_options_promise(network, features):
    image = arrays(network.begin(features))
    assert image["state"].shape == (3, UNITS * network.num_states)
    if network.options.attention:
        assert image["keys"].shape == image["values"].shape == (3, NUM_REGIONS, UNITS)
    else:
        assert image.keys() == {"state"}


def test_step_gives_a_distribution_over_words_for_every_beam(network, features):
    image = network.begin(features)
    state = np.repeat(keras.ops.convert_to_numpy(image.pop("state"))[:, None], 2, axis=1)
    outputs = arrays(network.step(token=np.full((3, 2), START_ID), state=state, **image))
    assert outputs["log_probs"].shape == (3, 2, VOCABULARY_SIZE)
    assert outputs["state"].shape == state.shape
    np.testing.assert_allclose(np.exp(outputs["log_probs"]).sum(axis=-1), 1, rtol=1e-5)
    assert ("attention" in outputs) == network.options.attention


def test_teacher_forcing_equals_stepping_token_by_token(network, features, tokens):
    taught = keras.ops.convert_to_numpy(keras.ops.log_softmax(teach(network, features, tokens), axis=-1))
    image = network.begin(features)
    state = keras.ops.repeat(image.pop("state")[:, None], tokens.shape[1], axis=1)  # captions are beams
    for place in range(tokens.shape[2]):
        outputs = network.step(token=tokens[..., place], state=state, **image)
        state = outputs["state"]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs["log_probs"]), taught[:, :, place], atol=1e-4)


def test_several_heads_step_as_they_are_taught(features, tokens):
    options = NetworkOptions("gru", units=128, embedding_dim=5)
    assert options.num_heads == 2
    network = build_network(options, VOCABULARY_SIZE, NUM_REGIONS, DEPTH)
    test_teacher_forcing_equals_stepping_token_by_token(network, features, tokens)


def test_attention_is_a_distribution_over_regions_that_follows_the_photo(features, tokens):
    for decoder in DECODERS:
        network = tiny_network(decoder, attention=True)
        image = network.begin(features)
        state = keras.ops.repeat(image.pop("state")[:, None], 2, axis=1)
        attention = arrays(network.step(token=tokens[..., 1], state=state, **image))["attention"]
        assert attention.shape == (3, 2, NUM_REGIONS)
        assert attention.min() >= 0
        np.testing.assert_allclose(attention.sum(axis=-1), 1, rtol=1e-5)
        assert np.abs(attention[0] - attention[1]).max() > 1e-4


def test_padded_positions_never_change_the_loss(network, features, tokens):
    targets = np.roll(tokens, -1, axis=-1)
    weights = np.ones(tokens.shape, np.float32)
    weights[0, 0, 3:] = weights[1, :, 2:] = weights[2, 1, :] = 0  # the last is a missing caption
    before = loss_of(network, features, tokens, targets, weights)
    is_padding = weights == 0
    tokens[is_padding] = (tokens[is_padding] + 3) % VOCABULARY_SIZE
    targets[is_padding] = (targets[is_padding] + 5) % VOCABULARY_SIZE
    assert loss_of(network, features, tokens, targets, weights) == pytest.approx(before, rel=1e-6)


def test_more_padding_never_changes_the_loss(network, features, tokens):
    targets, weights = np.roll(tokens, -1, axis=-1), np.ones(tokens.shape, np.float32)
    before = loss_of(network, features, tokens, targets, weights)
    wider = [np.pad(array, ((0, 0), (0, 1), (0, 3))) for array in (tokens, targets, weights)]
    after = loss_of(network, features, *wider)
    assert after == pytest.approx(before, rel=1e-5)


def test_captions_of_one_photo_do_not_influence_each_other(network, features, tokens):
    together = teach(network, features, tokens)
    alone = teach(network, features, tokens[:, 1:])
    np.testing.assert_allclose(together[:, 1:], alone, atol=1e-5)
    tokens[:, 0, 1:] = tokens[:, 0, :0:-1]
    np.testing.assert_allclose(teach(network, features, tokens)[:, 1], together[:, 1], atol=1e-6)


def test_photos_of_one_batch_do_not_influence_each_other(network, features, tokens):
    together = teach(network, features, tokens)
    for photo in range(len(features)):
        alone = teach(network, features[photo : photo + 1], tokens[photo : photo + 1])
        np.testing.assert_allclose(alone[0], together[photo], atol=1e-5)


def test_a_word_never_depends_on_the_words_after_it(network, features, tokens):
    before = teach(network, features, tokens)
    tokens[..., 3:] = 4 + (tokens[..., 3:] - 3) % (VOCABULARY_SIZE - 4)
    after = teach(network, features, tokens)
    np.testing.assert_allclose(after[:, :, :3], before[:, :, :3], atol=1e-6)
    assert np.abs(after[:, :, 3:] - before[:, :, 3:]).max() > 1e-4


def test_every_word_depends_on_the_photo_and_on_the_words_before_it(network, features, tokens):
    before = teach(network, features, tokens)
    other_photo = teach(network, features[::-1], tokens)
    assert (np.abs(other_photo - before)[[0, 2]].max(axis=-1) > 1e-6).all()
    tokens[..., 1] = 4 + (tokens[..., 1] - 3) % (VOCABULARY_SIZE - 4)
    other_word = teach(network, features, tokens)
    assert (np.abs(other_word - before)[:, :, 1:].max(axis=-1) > 1e-6).all()


def test_where_something_is_in_the_photo_matters(network, features, tokens):
    moved = teach(network, np.roll(features, 1, axis=1), tokens)
    assert np.abs(moved - teach(network, features, tokens)).max() > 1e-4


def test_dropout_belongs_to_training_alone(network, features, tokens):
    spoken = teach(network, features, tokens)
    np.testing.assert_array_equal(teach(network, features, tokens), spoken)
    first, second = (teach(network, features, tokens, training=True) for _ in range(2))
    assert np.abs(first - spoken).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3


def test_the_seed_decides_the_weights(network):
    again = new_network(network.options.decoder, network.options.attention)
    for first, second in zip(network.trainable_variables, again.trainable_variables, strict=True):
        np.testing.assert_array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("attention", [False, True])
def test_a_gru_is_smaller_than_an_lstm_and_larger_than_an_rnn(attention):
    sizes = [tiny_network(decoder, attention).count_params() for decoder in ("rnn", "gru", "lstm")]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("decoder", DECODERS)
def test_attention_has_a_price_in_parameters(decoder):
    assert tiny_network(decoder, True).count_params() > tiny_network(decoder, False).count_params()


def test_the_recurrent_cells_are_keras_s_own():
    cells = {decoder: tiny_network(decoder, True).recurrent.cell for decoder in DECODERS}
    layers = keras.layers
    assert {d: type(cell) for d, cell in cells.items()} == {
        "rnn": layers.SimpleRNNCell,
        "lstm": layers.LSTMCell,
        "gru": layers.GRUCell,
    }
