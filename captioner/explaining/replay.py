"""A caption taken apart: the search that found it, then its tokens once more, step by step."""

from dataclasses import replace
from math import isqrt

import numpy as np

from captioner.decoder_weights import whole_decoder_weights
from captioner.decoding import Hypothesis, beam_search
from captioner.errors import ModelError
from captioner.explaining.cells import CELLS, Activations, step_inside
from captioner.explaining.explanation import Beam, Candidate, Explanation, Step
from captioner.explaining.weights import read_cell
from captioner.images import ImageSource, photo_shape, read_image
from captioner.inference import Captioner, replay_steps
from captioner.model_folder import DECODER_GRAPH, DECODER_WEIGHTS, ModelFolder
from captioner.options import DecodingOptions
from captioner.tokenizer import END_ID, START_ID

NUM_RUNNERS_UP = 3
_MOST_DIFFERENCE = 1e-3  # of states between -1 and 1: a graph in float32 keeps a hundred times closer


def explain(
    captioner: Captioner,
    source: ImageSource,
    options: DecodingOptions | None = None,
    num_runners_up: int = NUM_RUNNERS_UP,
) -> Explanation:
    """How the caption that `captioner.caption(source, options)` gives came about.

    source, options: as there; of the options' candidates, all that the search finished are told.
    Raises: ImageError when the photo cannot be read; ModelError when the model's weights cannot be, or are not those of
    its graph.
    """
    shape = photo_shape(source)  # a photo that is not there is named before anything is opened
    captioner.check()
    folder, decoder = captioner.folder, captioner.folder.network.decoder
    photo = read_image(source, captioner.encoder.image_size)
    image = captioner.decoder.begin(captioner.encoder(photo[None]))
    options = options or folder.decoding
    # Asked for more captions the search goes on for longer, but it finds the same best one: it only ever stops where
    # nothing that is alive can enter the best. It may finish fewer captions than there are beams.
    all_candidates = replace(options, num_candidates=options.beam_size)
    (found,) = beam_search(captioner.decoder.step, image, all_candidates, captioner.rules(options))
    tokens = (START_ID, *found[0].tokens, END_ID)
    read = np.array([tokens[:-1]], np.int32)
    outputs = [
        {name: array[0] for name, array in out.items()} for out in replay_steps(captioner.decoder.step, image, read)
    ]
    states = [_named_states(decoder, image["state"][0]), *(_named_states(decoder, out["state"]) for out in outputs)]
    names = captioner.tokenizer.tokens
    return Explanation(
        model=captioner.name,
        decoder=decoder,
        num_heads=folder.network.num_heads,
        options=options,
        photo=photo,
        photo_shape=shape,
        steps=tuple(
            _told_step(names, read, chosen, out["log_probs"], num_runners_up)
            for read, chosen, out in zip(tokens[:-1], tokens[1:], outputs, strict=True)
        ),
        attention=_as_maps(outputs) if folder.network.attention else None,
        first_state=states[0],
        activations=_activations(folder, tokens[:-1], states),
        beams=tuple(_told_beam(captioner, hypothesis, options) for hypothesis in found),
    )


def _named_states(decoder: str, state: np.ndarray) -> Activations:
    """state: (states * units,), as the decoder lays them side by side."""
    names = CELLS[decoder].states
    return dict(zip(names, np.split(state, len(names)), strict=True))


def _activations(folder: ModelFolder, tokens: tuple[int, ...], states: list[Activations]) -> Activations:
    """All parts of the cell after each token, (steps, units): the states as the graph gave them, and the gates, which
    it does not give, recomputed from the state before.

    tokens: those that are read; states: before the first, and after each.
    Raises: ModelError when the weights cannot be read, or do not lead from state to state.
    """
    decoder = folder.network.decoder
    with whole_decoder_weights(folder.path) as path:
        weights, embeddings = read_cell(path, folder.network, folder.vocabulary_size)
    recomputed = [
        step_inside(decoder, weights, embeddings[token], before)
        for token, before in zip(tokens, states[:-1], strict=True)
    ]
    _check_states(folder, recomputed, states[1:])
    steps = [parts | after for parts, after in zip(recomputed, states[1:], strict=True)]
    return {name: np.stack([parts[name] for parts in steps]) for name in steps[0]}


def _as_maps(outputs: list[dict[str, np.ndarray]]) -> np.ndarray:
    """(steps, rows, columns): the regions of a square photo are a square grid, row by row."""
    attention = np.stack([out["attention"] for out in outputs])
    side = isqrt(attention.shape[1])
    assert side * side == attention.shape[1], "the regions are no square grid"
    return attention.reshape(-1, side, side)


def _told_step(names: tuple[str, ...], read: int, chosen: int, log_probs: np.ndarray, num_runners_up: int) -> Step:
    likeliest = np.argsort(-log_probs, kind="stable")[: num_runners_up + 1]
    others = [int(token) for token in likeliest if token != chosen][:num_runners_up]
    told = [Candidate(names[token], float(log_probs[token])) for token in (chosen, *others)]
    return Step(names[read], told[0], tuple(told[1:]))


def _told_beam(captioner: Captioner, hypothesis: Hypothesis, options: DecodingOptions) -> Beam:
    text, score = captioner.tokenizer.decode(hypothesis.tokens), hypothesis.score(options.length_exponent)
    return Beam(text, hypothesis.log_prob, score, captioner.told([hypothesis]).confidence)


def _check_states(folder: ModelFolder, recomputed: list[Activations], states: list[Activations]) -> None:
    """Raises: ModelError when the states that the gates give are not those that the graph gave."""
    difference = max(
        float(np.abs(parts[name] - state[name]).max())
        for parts, state in zip(recomputed, states, strict=True)
        for name in state
    )
    if not difference <= _MOST_DIFFERENCE:
        raise ModelError(
            f"{folder.path}: {DECODER_WEIGHTS} and {DECODER_GRAPH} hold different weights"
            f" (their states differ by {difference:.2g})"
        )
