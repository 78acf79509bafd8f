"""Greedy and beam search over a `step`; never sees a model.

`step(token=..., state=..., **constants)` gives `{"log_probs", "state", ...}` for tokens (photos, beams), and
`image` is what `begin` gave: the first state (photos, width), and the constants that every step needs again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from captioner.options import DecodingOptions
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID

Step = Callable[..., Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Hypothesis:
    """A finished caption: its tokens without start and end, and the log-probability of all of them and the end."""

    tokens: tuple[int, ...]
    log_prob: float  # natural log, summed over the tokens, the end included

    @property
    def confidence(self) -> float:
        """The geometric mean of its tokens' probabilities, the end included: 0 to 1."""
        return float(np.exp(self.log_prob / (len(self.tokens) + 1)))

    def score(self, length_exponent: float) -> float:
        return self.log_prob / (len(self.tokens) + 1) ** length_exponent


@dataclass
class _Finished:
    """The finished hypotheses of one photo, and when to stop looking for better ones."""

    options: DecodingOptions
    hypotheses: list[Hypothesis] = field(default_factory=list)

    def best(self) -> list[Hypothesis]:
        ranked = sorted(self.hypotheses, key=lambda h: -h.score(self.options.length_exponent))
        return ranked[: self.options.num_candidates]

    def is_settled(self, best_alive: float) -> bool:
        """Whether nothing that is still alive, at log-probability `best_alive`, can enter the best."""
        if len(self.hypotheses) >= self.options.beam_size:
            return True
        if len(self.hypotheses) < self.options.num_candidates:
            return False
        # log-probabilities only fall, so the longest caption at today's log-probability bounds them all
        bound = best_alive / (self.options.max_words + 1) ** self.options.length_exponent
        return self.best()[-1].score(self.options.length_exponent) >= bound


def beam_search(step: Step, image: Mapping[str, np.ndarray], options: DecodingOptions) -> list[list[Hypothesis]]:
    """The best captions of each photo, best first, at most `options.num_candidates` of them, never none.

    All photos and beams move together. A hypothesis ends when its end token is among the `beam_size` best
    continuations of its photo; its score is its log-probability divided by its number of tokens, the end
    included, to the power `length_exponent` (Wu et al. 2016, eq. 14, without its constant 5). A beam of one is
    greedy search. The search always ends: at `max_words` every hypothesis is made to end.
    """
    constants = {name: array for name, array in image.items() if name != "state"}
    num_photos, num_beams = len(image["state"]), options.beam_size
    state = np.repeat(image["state"][:, None], num_beams, axis=1)  # (photos, beams, width)
    token = np.full((num_photos, num_beams), START_ID, np.int32)
    alive = np.full((num_photos, num_beams), -np.inf, np.float64)  # log-probability of each beam
    alive[:, 0] = 0  # all beams start the same: only one may continue
    history = np.zeros((num_photos, num_beams, 0), np.int32)
    finished = [_Finished(options) for _ in range(num_photos)]
    open_photos = np.arange(num_photos)  # photo of each row of the arrays

    for num_words in range(options.max_words + 1):
        outputs = step(token=token, state=state, **constants)
        log_probs = _allowed(outputs["log_probs"], num_words, options)
        scores, parents, tokens = _best_continuations(alive[..., None] + log_probs, 2 * num_beams)
        ends = tokens == END_ID
        for row, rank in zip(*np.nonzero(ends[:, :num_beams] & np.isfinite(scores[:, :num_beams])), strict=True):
            words = tuple(int(t) for t in history[row, parents[row, rank]])
            finished[open_photos[row]].hypotheses.append(Hypothesis(words, float(scores[row, rank])))
        # the best continuations that did not end, in order: False sorts before True
        going_on = np.argsort(ends | ~np.isfinite(scores), axis=1, kind="stable")[:, :num_beams]
        alive = np.take_along_axis(np.where(ends, -np.inf, scores), going_on, axis=1)
        parents = np.take_along_axis(parents, going_on, axis=1)
        token = np.take_along_axis(tokens, going_on, axis=1).astype(np.int32)
        history = np.concatenate([np.take_along_axis(history, parents[..., None], axis=1), token[..., None]], axis=-1)
        state = np.take_along_axis(outputs["state"], parents[..., None], axis=1)
        unsettled = np.array([not finished[p].is_settled(alive[row].max()) for row, p in enumerate(open_photos)])
        if not unsettled.any():
            break
        # photos that are done leave only when half are: new shapes cost the runtime new buffers
        if unsettled.sum() <= len(open_photos) // 2:
            token, state, alive, history = token[unsettled], state[unsettled], alive[unsettled], history[unsettled]
            constants = {name: array[unsettled] for name, array in constants.items()}
            open_photos = open_photos[unsettled]
        else:
            alive[~unsettled] = -np.inf
    return [f.best() for f in finished]


def _allowed(log_probs: np.ndarray, num_words: int, options: DecodingOptions) -> np.ndarray:
    """A copy in which forbidden tokens have no chance: (photos, beams, vocabulary)."""
    if num_words == options.max_words:  # the end, and nothing else
        only_end = np.full_like(log_probs, -np.inf)
        # finite even where the end has no chance at all: whoever is still alive must come to one
        only_end[..., END_ID] = np.maximum(log_probs[..., END_ID], np.finfo(np.float32).min)
        return only_end
    log_probs = log_probs.copy()
    log_probs[..., [PAD_ID, START_ID, UNK_ID]] = -np.inf
    if num_words < options.min_words:
        log_probs[..., END_ID] = -np.inf
    return log_probs


def _best_continuations(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `count` best of (photos, beams, vocabulary), best first: scores, beams and tokens, each (photos, count)."""
    num_photos, _, vocabulary_size = scores.shape
    flat = scores.reshape(num_photos, -1)
    count = min(count, flat.shape[1])
    best = np.argpartition(-flat, count - 1, axis=1)[:, :count]
    # by falling score, equal scores by place, so that a search never depends on chance
    order = np.lexsort((best, -np.take_along_axis(flat, best, axis=1)), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(flat, best, axis=1), best // vocabulary_size, best % vocabulary_size
