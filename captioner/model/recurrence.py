"""A Keras cell run over whole captions with few, large matrix products.

Called step by step, a cell multiplies every input alone, and its gradient adds up one small product a step. Neither
needs to wait for the step before: all inputs are multiplied at once ahead of the loop, and the gradient of the
recurrent kernel is one product after it. Only the recurrent product itself stays inside. Keras does the same on
GPUs, where it hands its cells' weights to cuDNN.
"""

from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from captioner.model.packing import Packing

States = tuple[tf.Tensor, ...]  # each (captions, units); what the cell says comes first


def _rnn(cell, projected, recurrent, states: States) -> States:
    return (cell.activation(projected + recurrent),)


def _lstm(cell, projected, recurrent, states: States) -> States:
    write, forget, candidate, read = tf.split(projected + recurrent, 4, axis=-1)
    memory = cell.recurrent_activation(forget) * states[1]
    memory += cell.recurrent_activation(write) * cell.activation(candidate)
    return cell.recurrent_activation(read) * cell.activation(memory), memory


def _gru(cell, projected, recurrent, states: States) -> States:
    update, reset, candidate = tf.split(projected, 3, axis=-1)
    recurrent_update, recurrent_reset, recurrent_candidate = tf.split(recurrent, 3, axis=-1)
    update = cell.recurrent_activation(update + recurrent_update)
    reset = cell.recurrent_activation(reset + recurrent_reset)
    return (update * states[0] + (1 - update) * cell.activation(candidate + reset * recurrent_candidate),)


# What each cell does between its two products: (cell, projected input, projected state, states) -> new states.
BETWEEN_PRODUCTS: dict[type, Callable[..., States]] = {
    keras.layers.SimpleRNNCell: _rnn,
    keras.layers.LSTMCell: _lstm,
    keras.layers.GRUCell: _gru,  # made with reset_after, without which the products cannot come first
}


def run_step(cell: keras.layers.Layer, inputs: tf.Tensor, states: States) -> States:
    """The states after one step of the cell. inputs: (..., depth); states: each (..., units)."""
    projected, recurrent = tf.matmul(inputs, cell.kernel), tf.matmul(states[0], cell.recurrent_kernel)
    if cell.bias.shape.rank == 2:  # only a GRU cell has a bias for its second product, too
        bias, recurrent_bias = tf.unstack(cell.bias)
        projected, recurrent = projected + bias, recurrent + recurrent_bias
    else:
        projected += cell.bias
    return BETWEEN_PRODUCTS[type(cell)](cell, projected, recurrent, states)


def run_cell(
    cell: keras.layers.Layer,
    inputs: tf.Tensor,
    first_states: States,
    packing: Packing,
    recurrent_kernel: tf.Tensor | None = None,
) -> tf.Tensor:
    """What the cell says at every spoken position: (rows, units), rows as packed.

    inputs: (rows, depth); first_states: each (captions, units), in the captions' own order; recurrent_kernel: in place
    of the cell's own, such as that with some weights dropped.
    The same as calling the cell step by step, and so are its gradients.
    """
    if recurrent_kernel is None:
        recurrent_kernel = cell.recurrent_kernel
    kernel, recurrent_kernel, bias = (tf.cast(v, inputs.dtype) for v in (cell.kernel, recurrent_kernel, cell.bias))
    # only a GRU cell has a bias for its second product, too
    bias, recurrent_bias = tf.unstack(bias) if bias.shape.rank == 2 else (bias, tf.zeros_like(bias))
    first_states = [tf.gather(state, packing.order) for state in first_states]
    recur = _recur(partial(BETWEEN_PRODUCTS[type(cell)], cell), packing)
    return recur(inputs @ kernel + bias, recurrent_kernel, recurrent_bias, *first_states)


def _recur(gates: Callable[..., States], packing: Packing):
    """The loop over time as a function of the projected inputs, the recurrent kernel and bias, and the first states."""

    @tf.custom_gradient
    def recur(projected, kernel, bias, *first_states):
        recurrent, states = _speak(gates, packing, projected, kernel, bias, first_states)

        def gradient(upstream):
            before = [
                tf.gather(tf.concat([first, state], axis=0), packing.previous)
                for first, state in zip(first_states, states, strict=True)
            ]
            d_projected, d_recurrent, d_first = _listen_back(
                gates, packing, projected, recurrent, kernel, before, upstream
            )
            d_kernel = tf.matmul(before[0], d_recurrent, transpose_a=True)
            num_captions = tf.shape(packing.order)[0]
            return d_projected, d_kernel, tf.reduce_sum(d_recurrent, axis=0), *_padded(d_first, num_captions)

        return states[0], gradient

    return recur


def _speak(gates, packing: Packing, projected, kernel, bias, first_states: States):
    """The projected states, (rows, gates * units), and the states after each step, each (rows, units)."""
    num_steps, units = tf.size(packing.starts), kernel.shape[0]
    rows = partial(_rows_of_time, num_steps, projected.dtype)
    transposed = tf.transpose(kernel)  # the layout in which small products with it are fastest

    def step(time, states, recurrent_rows, state_rows):
        active = packing.num_active[time]
        states = tuple(state[:active] for state in states)
        recurrent = tf.matmul(states[0], transposed, transpose_b=True) + bias
        states = gates(packing.rows_at(projected, time), recurrent, states)
        state_rows = tuple(rows.write(time, state) for rows, state in zip(state_rows, states, strict=True))
        return time + 1, states, recurrent_rows.write(time, recurrent), state_rows

    start = 0, first_states, rows(kernel.shape[1]), tuple(rows(units) for _ in first_states)
    shapes = tf.TensorShape([]), tuple(tf.TensorShape([None, units]) for _ in first_states)
    _, _, recurrent, states = tf.while_loop(
        lambda time, *_: time < num_steps,
        step,
        start,
        (*shapes, tf.TensorShape(None), (tf.TensorShape(None),) * len(first_states)),
    )
    return recurrent.concat(), [rows.concat() for rows in states]


def _listen_back(gates, packing: Packing, projected, recurrent, kernel, before, upstream):
    """Gradients of the projected inputs and states, (rows, gates * units), and of the first states that spoke."""
    num_steps, units = tf.size(packing.starts), kernel.shape[0]
    rows = partial(_rows_of_time, num_steps, projected.dtype, kernel.shape[1])

    def step(time, d_states, projected_rows, recurrent_rows):
        sources = [packing.rows_at(array, time) for array in (projected, recurrent, *before)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            states = gates(*sources[:2], tuple(sources[2:]))
        d_states = _padded(d_states, packing.num_active[time])
        d_states[0] += packing.rows_at(upstream, time)
        d_projected, d_recurrent, *d_before = tape.gradient(
            states, sources, d_states, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        d_before[0] += tf.matmul(d_recurrent, kernel, transpose_b=True)
        rows = projected_rows.write(time, d_projected), recurrent_rows.write(time, d_recurrent)
        return time - 1, tuple(d_before), *rows

    start = num_steps - 1, tuple(tf.zeros([0, units], upstream.dtype) for _ in before), rows(), rows()
    _, d_first, d_projected, d_recurrent = tf.while_loop(lambda time, *_: time >= 0, step, start, _shapes_of(start))
    return d_projected.concat(), d_recurrent.concat(), d_first


def _rows_of_time(num_steps, dtype, depth: int) -> tf.TensorArray:
    return tf.TensorArray(dtype, num_steps, infer_shape=False, element_shape=[None, depth])


def _shapes_of(loop_variables):
    """The shapes that hold in every step: fewer and fewer captions speak."""

    def shape_of(variable):
        if isinstance(variable, tf.TensorArray):
            return tf.TensorShape(None)
        shape = tf.convert_to_tensor(variable).shape
        return tf.TensorShape([None, *shape[1:]]) if shape.rank else shape

    return tf.nest.map_structure(shape_of, loop_variables)


def _padded(states: States, count) -> list[tf.Tensor]:
    """The states with rows of zeros behind, `count` in all."""
    return [tf.pad(state, [[0, count - tf.shape(state)[0]], [0, 0]]) for state in states]
