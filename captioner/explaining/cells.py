"""What happens inside a recurrent cell in one step, by the equations as published.

x is the embedding of the token the cell reads, h the hidden state before the step, h' the one after it; c and c' are
the LSTM's memory cell before and after; * multiplies unit by unit.

    RNN (Elman 1990)                  h' = tanh(W x + U h + b)

    LSTM (Hochreiter and Schmidhuber 1997; the forget gate is of Gers, Schmidhuber and Cummins 2000)
                    input gate        i = sigmoid(W_i x + U_i h + b_i)
                    forget gate       f = sigmoid(W_f x + U_f h + b_f)
                    candidate         g = tanh(W_g x + U_g h + b_g)
                    output gate       o = sigmoid(W_o x + U_o h + b_o)
                    memory            c' = f * c + i * g
                    hidden            h' = o * tanh(c')

    GRU (Cho et al. 2014 in its first version, arXiv 1406.1078v1, which Keras calls `reset_after`: the reset gate acts
    on the projected state, U_g h, not on h itself; so each product has a bias of its own)
                    update gate       z = sigmoid(W_z x + b_z + U_z h + d_z)
                    reset gate        r = sigmoid(W_r x + b_r + U_r h + d_r)
                    candidate         g = tanh(W_g x + b_g + r * (U_g h + d_g))
                    hidden            h' = z * h + (1 - z) * g

Keras's cells give h' and c', and keep their gates to themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from captioner.errors import OptionsError

Activations = dict[str, np.ndarray]  # by name, each (units,)

HIDDEN, MEMORY = "hidden", "memory"


@dataclass(frozen=True)
class CellWeights:
    """The weights of a cell, its gates side by side in Keras's order: i f g o of an LSTM, z r g of a GRU.

    kernel: (embedding, gates * units), W; recurrent_kernel: (units, gates * units), U; bias: (gates * units,), b;
    recurrent_bias: the same, d, zeros but for a GRU.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    recurrent_bias: np.ndarray


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # the same as 1 / (1 + exp(-x)), which would overflow


def _rnn(projected, recurrent, state) -> Activations:
    return {HIDDEN: np.tanh(projected + recurrent)}


def _lstm(projected, recurrent, state) -> Activations:
    write, forget, candidate, read = np.split(projected + recurrent, 4)
    write, forget, candidate, read = _sigmoid(write), _sigmoid(forget), np.tanh(candidate), _sigmoid(read)
    memory = forget * state[MEMORY] + write * candidate
    gates = {"forget_gate": forget, "input_gate": write, "output_gate": read, "candidate": candidate}
    return gates | {MEMORY: memory, HIDDEN: read * np.tanh(memory)}


def _gru(projected, recurrent, state) -> Activations:
    update, reset, candidate = np.split(projected, 3)
    recurrent_update, recurrent_reset, recurrent_candidate = np.split(recurrent, 3)
    update, reset = _sigmoid(update + recurrent_update), _sigmoid(reset + recurrent_reset)
    candidate = np.tanh(candidate + reset * recurrent_candidate)
    hidden = update * state[HIDDEN] + (1 - update) * candidate
    return {"update_gate": update, "reset_gate": reset, "candidate": candidate, HIDDEN: hidden}


@dataclass(frozen=True)
class Cell:
    """What a decoder's cell is made of.

    source: who published it;
    states: what it carries from step to step, in the order in which the decoder lays it side by side;
    parts: what can be seen of it, by kind, in the order of its equations;
    between_products: (W x + b, U h + d, state before) -> all parts after the step;
    keeping_gate: 1 where the state of before is kept whole, 0 where nothing of it is.
    """

    title: str
    source: str
    num_gates: int  # blocks of `units` in its kernels
    states: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    between_products: Callable[[np.ndarray, np.ndarray, Activations], Activations]
    keeping_gate: str | None = None


KINDS = ("gates", MEMORY, HIDDEN)
CELLS = {
    "rnn": Cell("RNN", "Elman 1990", 1, (HIDDEN,), {HIDDEN: (HIDDEN,)}, _rnn),
    "lstm": Cell(
        "LSTM",
        "Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000",
        4,
        (HIDDEN, MEMORY),
        {"gates": ("forget_gate", "input_gate", "output_gate", "candidate"), MEMORY: (MEMORY,), HIDDEN: (HIDDEN,)},
        _lstm,
        "forget_gate",
    ),
    "gru": Cell(
        "GRU",
        "Cho et al. 2014, arXiv 1406.1078v1: reset gate on the projected state (Keras: reset_after)",
        3,
        (HIDDEN,),
        {"gates": ("update_gate", "reset_gate", "candidate"), HIDDEN: (HIDDEN,)},
        _gru,
        "update_gate",
    ),
}


def step_inside(decoder: str, weights: CellWeights, embedded: np.ndarray, state: Activations) -> Activations:
    """All that the cell computes in one step, float64.

    embedded: (embedding,), of the token it reads; state: what the cell's `states` were before the step.
    """
    projected = embedded.astype(np.float64) @ weights.kernel + weights.bias
    recurrent = state[HIDDEN].astype(np.float64) @ weights.recurrent_kernel + weights.recurrent_bias
    return CELLS[decoder].between_products(projected, recurrent, state)


def check_kinds(decoder: str, kinds: tuple[str, ...]) -> None:
    """Raises: OptionsError when the decoder has no such thing inside."""
    for kind in kinds:
        if kind not in KINDS:
            raise OptionsError(f"unknown part {kind!r}; choose {', '.join(KINDS)}")
        if kind not in CELLS[decoder].parts:
            raise OptionsError(
                f"{_with_article(CELLS[decoder].title)} has no {kind}; what can be seen of it:"
                f" {', '.join(CELLS[decoder].parts)}"
            )


def check_part(decoder: str, part: str) -> None:
    """Raises: OptionsError when the decoder's cell has no such part."""
    parts = [name for names in CELLS[decoder].parts.values() for name in names]
    if part not in parts:
        raise OptionsError(
            f"{_with_article(CELLS[decoder].title)} has no {part}; what can be seen of it: {', '.join(parts)}"
        )


def _with_article(title: str) -> str:
    return f"{'a' if title.startswith('G') else 'an'} {title}"
