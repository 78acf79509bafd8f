"""The recurrent cells as published, gate by gate, in NumPy: what others are held against.

Elman 1990; Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014, arXiv
1406.1078v1, where the reset gate acts on the projected state.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(block, before):
    x, h, W, U, b, _ = block(0)
    return {"hidden": np.tanh(x @ W + h @ U + b)}


def lstm(block, before):
    i, f, g, o = (x @ W + h @ U + b for x, h, W, U, b, _ in map(block, range(4)))
    memory = sigmoid(f) * before["memory"] + sigmoid(i) * np.tanh(g)
    gates = {"input_gate": sigmoid(i), "forget_gate": sigmoid(f), "candidate": np.tanh(g), "output_gate": sigmoid(o)}
    return gates | {"memory": memory, "hidden": sigmoid(o) * np.tanh(memory)}


def gru(block, before):
    z, r = (sigmoid(x @ W + b + h @ U + d) for x, h, W, U, b, d in map(block, range(2)))
    x, h, W, U, b, d = block(2)
    candidate = np.tanh(x @ W + b + r * (h @ U + d))
    return {"update_gate": z, "reset_gate": r, "candidate": candidate, "hidden": z * h + (1 - z) * candidate}


EQUATIONS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def by_the_equations(decoder, weights, embedded, before):
    """All parts of the cell after one step, by name.

    weights: `kernel`, `recurrent_kernel`, `bias` and `recurrent_bias`, the gates side by side in Keras's order.
    """
    units = len(before["hidden"])

    def block(gate):
        part = slice(gate * units, (gate + 1) * units)
        kernels = weights.kernel[:, part], weights.recurrent_kernel[:, part]
        return embedded, before["hidden"], *kernels, weights.bias[part], weights.recurrent_bias[part]

    return EQUATIONS[decoder](block, before)
