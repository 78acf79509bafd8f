"""The gradient through time: how much of what a caption's last word teaches arrives at the steps before it.

What is differentiated. The start token and a caption's words w_1 ... w_(N-1) are fed one by one to the cell, which
goes from the state that the photo gives, h_0, to h_1 ... h_N. The loss is the surprise at the last word alone,

    L = -log p(w_N | photo, w_1 ... w_(N-1)),

which the network reads off h_N: attention asks with h_N, its keys and values are the photo's, and no earlier state
is looked at. So the one way from L back to h_(N-k) is the chain of the cell's own steps,

    dL/dh_(N-k) = dL/dh_N  *  dh_N/dh_(N-1)  *  ...  *  dh_(N-k+1)/dh_(N-k),

the product of k Jacobians whose norm falls or grows by a factor a step (Bengio et al. 1994, "Learning long-term
dependencies with gradient descent is difficult", section IV; Pascanu et al. 2013, "On the difficulty of training
recurrent neural networks", eq. 5). An LSTM carries h and the memory c. dL/dh_t is taken with c_t held, through the
gates of step t + 1; dL/dc_t through all that c_t moves: h_t, and c_(t+1), where it is multiplied by the forget gate
alone (Hochreiter and Schmidhuber 1997, "Long short-term memory", section 3.2, the constant error carousel; the
gate is of Gers et al. 2000). These are the errors that back-propagation through time hands from step to step.

Words are fed as they were written, and nothing is dropped: the inputs are constants.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from captioner.datasets import Example
from captioner.model import CaptionNetwork
from captioner.tokenizer import START_ID, Tokenizer

LEAST_WORDS = 12
MOST_CAPTIONS = 300
_CAPTIONS_AT_ONCE = 64
_CARRIED = ("hidden", "memory")  # what the vectors of a cell's state are, in their order
_LEAST_NORM = np.finfo(np.float32).tiny  # a gradient that is gone altogether still has a logarithm


@dataclass(frozen=True)
class GivenCaption:
    """row: of its photo's features; ids: its words."""

    row: int
    ids: tuple[int, ...]


def long_captions(
    examples: Sequence[Example], rows: Sequence[int], tokenizer: Tokenizer, least_words: int = LEAST_WORDS
) -> list[GivenCaption]:
    """Captions of at least so many words, or as long as the longest where none has so many; 300, evenly spread.

    rows: of each example's features.
    """
    captions = [
        GivenCaption(int(row), tuple(tokenizer.encode(caption)))
        for example, row in zip(examples, rows, strict=True)
        for caption in example.captions
    ]
    least = min(least_words, max(len(caption.ids) for caption in captions))
    captions = [caption for caption in captions if len(caption.ids) >= least]
    chosen = np.linspace(0, len(captions) - 1, min(len(captions), MOST_CAPTIONS)).round().astype(int)
    return [captions[index] for index in chosen]


def gradients_through_time(
    network: CaptionNetwork, features: np.ndarray, tokens: np.ndarray, last_words: np.ndarray
) -> dict[str, np.ndarray]:
    """dL/dh_(N-k), and for an LSTM dL/dc_(N-k), of captions that are equally long.

    features: (captions, regions, depth); tokens: (captions, N) int32, the start token and all words but the last;
    last_words: (captions,) int32 -> "hidden" and perhaps "memory", each (N + 1, captions, units), by k.
    """
    image = network.begin(tf.cast(features, tf.float32))
    states = tuple(tf.split(image.pop("state")[:, None], network.num_states, axis=-1))  # each (captions, 1, units)
    chain = [states]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(states)
        for step in range(tokens.shape[1]):
            states = network.move(tf.constant(tokens[:, step : step + 1]), states)
            chain.append(states)
        log_probs = network.choose(states[0], **image)["log_probs"][:, 0]  # (captions, vocabulary)
        loss = -tf.reduce_sum(tf.gather(log_probs, last_words, batch_dims=1))  # of each caption by itself
    gradients = tape.gradient(loss, chain[::-1])
    return {
        name: np.stack([step[place][:, 0] for step in gradients])
        for place, name in enumerate(_CARRIED[: network.num_states])
    }


def gradient_norms(network: CaptionNetwork, captions: Sequence[GivenCaption], features: np.ndarray) -> dict[str, dict]:
    """By what is carried, "hidden" and perhaps "memory": what is left of the gradient k steps back, k from 0.

    features: (rows, regions, depth). All captions count at every k, so k ends with the shortest one's words: its
    first state. "norm": Euclidean, the geometric mean over captions; "share": that of the norm in the one at k = 0;
    "quartiles": of the captions' shares, a list for the lower and one for the upper.
    """
    groups = defaultdict(list)
    for caption in captions:
        groups[len(caption.ids)].append(caption)
    most_steps = min(groups)
    logs = defaultdict(list)
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), _CAPTIONS_AT_ONCE):
            found = _gradients_of(network, group[start : start + _CAPTIONS_AT_ONCE], features)
            for name, gradients in found.items():
                norms = np.linalg.norm(gradients[: most_steps + 1].astype(np.float64), axis=-1)
                logs[name].append(np.log(np.maximum(norms, _LEAST_NORM)))  # (steps, captions)
    return {name: _summary(np.concatenate(parts, axis=1)) for name, parts in logs.items()}


def _gradients_of(network, captions: list[GivenCaption], features: np.ndarray) -> dict[str, np.ndarray]:
    ids = np.array([caption.ids for caption in captions], np.int32)
    tokens = np.concatenate([np.full((len(ids), 1), START_ID, np.int32), ids[:, :-1]], axis=1)
    return gradients_through_time(network, features[[caption.row for caption in captions]], tokens, ids[:, -1])


def _summary(logs: np.ndarray) -> dict[str, list]:
    """logs: natural logs of norms, (steps, captions)."""
    shares = logs - logs[:1]
    return {
        "norm": np.exp(logs.mean(axis=1)).tolist(),
        "share": np.exp(shares.mean(axis=1)).tolist(),
        "quartiles": np.exp(np.quantile(shares, [0.25, 0.75], axis=1)).tolist(),
    }
