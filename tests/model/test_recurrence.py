"""A cell run over packed captions, against Keras's own layer on the padded ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from captioner.model.packing import Packing
from captioner.model.recurrence import BETWEEN_PRODUCTS, run_cell

DEPTH, UNITS, NUM_STEPS = 5, 7, 6
LENGTHS = np.array([[3, 6, 0], [1, 4, 3]], np.int32)  # (2 photos, 3 captions), one of them missing
LAYERS = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": lambda *args, **kwargs: keras.layers.GRU(*args, reset_after=True, **kwargs),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    layer = LAYERS[request.param](UNITS, return_sequences=True)
    layer.build((None, None, DEPTH))
    random = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    return layer


@pytest.fixture
def inputs():
    return np.random.default_rng(2).normal(size=(*LENGTHS.shape, NUM_STEPS, DEPTH)).astype(np.float32)


@pytest.fixture
def first_states(layer):
    num_states = 2 if isinstance(layer.cell, keras.layers.LSTMCell) else 1
    return list(np.random.default_rng(3).normal(size=(num_states, LENGTHS.size, UNITS)).astype(np.float32))


def outputs_and_gradients(run, layer, inputs, first_states):
    """What `run(inputs, first_states)` says where something is spoken, and the gradients of a weighted sum of it."""
    inputs, first_states = tf.constant(inputs), [tf.constant(state) for state in first_states]
    sources = [inputs, *first_states, *(variable.value for variable in layer.trainable_variables)]
    is_spoken = np.arange(NUM_STEPS) < LENGTHS[..., None]
    importance = np.random.default_rng(4).normal(size=(*is_spoken.shape, UNITS)) * is_spoken[..., None]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        hidden = run(inputs, first_states)
        total = tf.reduce_sum(hidden * importance.astype(np.float32))
    return hidden.numpy() * is_spoken[..., None], tape.gradient(total, sources)


def run_keras(layer, inputs, first_states):
    flat = tf.reshape(inputs, (-1, NUM_STEPS, DEPTH))
    return tf.reshape(layer(flat, initial_state=first_states), (*inputs.shape[:3], UNITS))


def run_packed(layer, inputs, first_states):
    packing = Packing.of(LENGTHS, NUM_STEPS)
    return packing.unpack(run_cell(layer.cell, packing.pack(inputs), first_states, packing))


@pytest.mark.parametrize("compiled", [False, True])
def test_it_says_what_keras_says_and_learns_what_keras_learns(layer, inputs, first_states, compiled):
    def packed(inputs, first_states):
        return run_packed(layer, inputs, first_states)

    expected, expected_gradients = outputs_and_gradients(
        lambda inputs, states: run_keras(layer, inputs, states), layer, inputs, first_states
    )
    found, found_gradients = outputs_and_gradients(
        tf.function(packed) if compiled else packed, layer, inputs, first_states
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for ours, theirs in zip(found_gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(ours), theirs, atol=1e-5)


def test_every_cell_of_keras_has_its_place():
    assert set(BETWEEN_PRODUCTS) == {keras.layers.SimpleRNNCell, keras.layers.LSTMCell, keras.layers.GRUCell}


def test_packing_puts_time_first_and_the_longest_caption_first():
    grid = np.array([[["a0", "a1", "a2"], ["b0", "", ""]], [["", "", ""], ["c0", "c1", ""]]])
    lengths = np.array([[3, 1], [0, 2]], np.int32)
    packing = Packing.of(lengths, 3)
    assert [text.decode() for text in packing.pack(tf.constant(grid)).numpy()] == ["a0", "c0", "b0", "a1", "c1", "a2"]
    assert packing.num_active.numpy().tolist() == [3, 2, 1]
    assert packing.starts.numpy().tolist() == [0, 3, 5]
    # before their first step the captions are in their first states (rows 0 to 3), then in the rows that follow those
    assert packing.previous.numpy().tolist() == [0, 1, 2, 4, 5, 7]


def test_unpacking_puts_every_row_back_and_zeros_where_nothing_is_spoken(inputs):
    packing = Packing.of(LENGTHS, NUM_STEPS)
    is_spoken = np.arange(NUM_STEPS) < LENGTHS[..., None]
    np.testing.assert_array_equal(packing.unpack(packing.pack(inputs)), inputs * is_spoken[..., None])
