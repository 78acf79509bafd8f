"""Greedy and beam search over a `step`; never sees a model.

`step(token=..., state=..., **constants)` gives `{"log_probs", "state", ...}` for tokens (photos, beams), and
`image` is what `begin` gave: the first state (photos, width), and the constants that every step needs again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from math import isqrt

import numpy as np

from captioner.options import DecodingOptions
from captioner.search_rules import SearchRules
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID

Step = Callable[..., Mapping[str, np.ndarray]]

_NEVER_SPOKEN = [PAD_ID, START_ID, UNK_ID]


@dataclass(frozen=True)
class Hypothesis:
    """A finished caption: its tokens without start and end, and the log-probability of all of them and the end."""

    tokens: tuple[int, ...]
    log_prob: float  # natural log, summed over the tokens, the end included
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)  # of each of them, the end's last

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
        if len(self.hypotheses) >= self.options.beam_size or best_alive == -np.inf:
            return True
        if len(self.hypotheses) < self.options.num_candidates:
            return False
        # log-probabilities only fall, so the longest caption at today's log-probability bounds them all
        bound = best_alive / (self.options.max_words + 1) ** self.options.length_exponent
        return self.best()[-1].score(self.options.length_exponent) >= bound


def beam_search(
    step: Step, image: Mapping[str, np.ndarray], options: DecodingOptions, rules: SearchRules | None = None
) -> list[list[Hypothesis]]:
    """The best captions of each photo, best first, at most `options.num_candidates` of them, never none.

    A hypothesis ends when its end token is among the `beam_size` best continuations of its photo; its score is its
    log-probability divided by its number of tokens, the end included, to the power `length_exponent` (Wu et al.
    2016, eq. 14, without its constant 5). A beam of one is greedy search. The search always ends: at `max_words`
    every hypothesis is made to end. rules: which tokens may not follow which, beside the options' bounds.
    """
    num_photos = len(image["state"])
    photos = ({name: array[photo] for name, array in image.items()} for photo in range(num_photos))
    return list(beam_search_stream(step, photos, options, num_photos, rules))


def beam_search_stream(
    step: Step,
    photos: Iterable[Mapping[str, np.ndarray]],
    options: DecodingOptions,
    num_slots: int,
    rules: SearchRules | None = None,
) -> Iterator[list[Hypothesis]]:
    """As `beam_search`, photo by photo, in order: `num_slots` photos move together, and a photo whose search is over
    makes room for the next one, so that no step is taken for nothing.

    photos: what `begin` gave of each, without the axis of the photos; None among them, while searches are under way:
    none is at hand just now, and they go on without waiting for it.
    """
    photos = iter(photos)
    slots = _Slots(options, rules)
    results: dict[int, list[Hypothesis]] = {}
    num_taken = num_given = 0
    while True:
        at_hand = list(takewhile(lambda photo: photo is not None, islice(photos, num_slots - slots.num_taken)))
        slots.take(list(enumerate(at_hand, start=num_taken)), num_slots)
        num_taken += len(at_hand)
        if not slots.num_taken:
            return
        for slot in slots.advance(step):
            results[slots.photo[slot]] = slots.finished[slot].best()
            slots.free(slot)
        while num_given in results:
            yield results.pop(num_given)
            num_given += 1


class _Slots:
    """Photos whose search is under way, a slot each: the arrays that all beams of all photos move in.

    A slot is free, and moves along for nothing, where `photo` is None.
    """

    def __init__(self, options: DecodingOptions, rules: SearchRules | None):
        self.options, self.rules = options, rules
        self.photo: list[int | None] = []
        self.finished: list[_Finished] = []
        beams = (0, options.beam_size)
        self._constants: dict[str, np.ndarray] = {}  # (slots, ...)
        self._state = np.zeros((*beams, 0), np.float32)  # (slots, beams, width)
        self._token = np.zeros(beams, np.int32)
        self._alive = np.zeros(beams, np.float64)  # log-probability of each beam
        self._spoken = np.zeros((*beams, options.max_words + 1), np.int32)
        self._totals = np.zeros((*beams, options.max_words + 1), np.float64)  # log-probability up to each of them
        self._num_words = np.zeros(0, np.int64)

    @property
    def num_taken(self) -> int:
        return sum(photo is not None for photo in self.photo)

    def take(self, images: list[tuple[int, Mapping[str, np.ndarray]]], most: int) -> None:
        """Begins the search of photos, `(photo, what begin gave of it)`. most: slots that there may be."""
        num_missing = len(images) - len(self.photo) + self.num_taken
        if num_missing > 0:
            # twice as many at least, where photos come one by one: new shapes cost the runtime new buffers
            length = max(len(self.photo) + num_missing, min(2 * len(self.photo), most))
            self._lengthen(length - len(self.photo), images[0][1])
        else:
            self._close_up(len(images))
        free = (slot for slot, photo in enumerate(self.photo) if photo is None)
        for (photo, image), slot in zip(images, free, strict=False):
            self._begin(slot, photo, image)

    def free(self, slot: int) -> None:
        self.photo[slot], self._alive[slot] = None, -np.inf

    def _begin(self, slot: int, photo: int, image: Mapping[str, np.ndarray]) -> None:
        self.photo[slot], self.finished[slot] = photo, _Finished(self.options)
        self._alive[slot], self._alive[slot, 0] = -np.inf, 0  # all beams start the same: only one may continue
        self._token[slot], self._num_words[slot] = START_ID, 0
        self._state[slot] = image["state"]
        for name, array in self._constants.items():
            array[slot] = image[name]

    def _lengthen(self, count: int, like: Mapping[str, np.ndarray]) -> None:
        """Adds free slots. like: what `begin` gave of any photo."""

        def longer(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
            free = np.zeros((count, *shape), dtype)
            return np.concatenate([array, free]) if len(array) else free

        for name, array in like.items():
            if name == "state":
                self._state = longer(self._state, (self.options.beam_size, *array.shape), array.dtype)
            else:
                self._constants[name] = longer(self._constants.get(name, ()), array.shape, array.dtype)
        for name in ("_token", "_alive", "_spoken", "_totals", "_num_words"):
            array = getattr(self, name)
            setattr(self, name, longer(array, array.shape[1:], array.dtype))
        self.photo += [None] * count
        self.finished += [_Finished(self.options) for _ in range(count)]
        for slot in range(len(self.photo) - count, len(self.photo)):
            self.free(slot)

    def advance(self, step: Step) -> list[int]:
        """Takes a step with every beam; the slots whose search is over."""
        num_beams = self.options.beam_size
        outputs = step(token=self._token, state=self._state, **self._constants)
        log_probs = outputs["log_probs"].copy()
        if self.rules is not None:
            _apply(self.rules, log_probs, self._spoken, self._num_words, self.options.max_words)
        _bound(log_probs, self._num_words, self.options)
        scores, parents, tokens = _best_continuations(self._alive, log_probs, 2 * num_beams)
        ends = tokens == END_ID
        for slot, rank in zip(*np.nonzero(ends[:, :num_beams] & np.isfinite(scores[:, :num_beams])), strict=True):
            self.finished[slot].hypotheses.append(self._ended(slot, parents[slot, rank], float(scores[slot, rank])))
        # the best continuations that did not end, in order: False sorts before True
        going_on = np.argsort(ends | ~np.isfinite(scores), axis=1, kind="stable")[:, :num_beams]
        self._alive = np.take_along_axis(np.where(ends, -np.inf, scores), going_on, axis=1)
        parents = np.take_along_axis(parents, going_on, axis=1)
        self._token = np.take_along_axis(tokens, going_on, axis=1).astype(np.int32)
        place = self._num_words[:, None, None]
        self._spoken = np.take_along_axis(self._spoken, parents[..., None], axis=1)
        np.put_along_axis(self._spoken, place, self._token[..., None], axis=2)
        self._totals = np.take_along_axis(self._totals, parents[..., None], axis=1)
        np.put_along_axis(self._totals, place, self._alive[..., None], axis=2)
        self._state = np.take_along_axis(outputs["state"], parents[..., None], axis=1)
        self._num_words = np.minimum(self._num_words + 1, self.options.max_words)
        best_alive = self._alive.max(axis=1)
        return [
            slot
            for slot, photo in enumerate(self.photo)
            if photo is not None and self.finished[slot].is_settled(best_alive[slot])
        ]

    def _ended(self, slot: int, beam: int, log_prob: float) -> Hypothesis:
        words, totals = (array[slot, beam, : self._num_words[slot]] for array in (self._spoken, self._totals))
        steps = np.diff(totals, prepend=0, append=log_prob)
        return Hypothesis(tuple(words.tolist()), log_prob, tuple(steps.tolist()))

    def _close_up(self, count: int) -> None:
        """Gives up the free slots but for `count`, once half would be free, not sooner: new shapes cost the runtime new
        buffers."""
        taken = [slot for slot, photo in enumerate(self.photo) if photo is not None]
        kept = sorted(taken + [slot for slot, photo in enumerate(self.photo) if photo is None][:count])
        if len(kept) > len(self.photo) // 2:
            return
        self.photo, self.finished = ([of_slot[slot] for slot in kept] for of_slot in (self.photo, self.finished))
        self._token, self._state, self._alive = self._token[kept], self._state[kept], self._alive[kept]
        self._spoken, self._totals, self._num_words = self._spoken[kept], self._totals[kept], self._num_words[kept]
        self._constants = {name: array[kept] for name, array in self._constants.items()}


def _apply(
    rules: SearchRules, log_probs: np.ndarray, spoken: np.ndarray, num_words: np.ndarray, max_words: int
) -> None:
    """Leaves tokens that the rules forbid no chance.

    log_probs: (photos, beams, vocabulary); spoken: (photos, beams, longest), of which `num_words`, (photos,), count.
    """
    spoken = spoken[..., : num_words.max(initial=0)]
    if not spoken.shape[2]:
        return
    is_said = np.arange(spoken.shape[2]) < num_words[:, None, None]
    last = np.take_along_axis(spoken, np.maximum(num_words - 1, 0)[:, None, None], axis=2)  # (photos, beams, 1)
    is_begun = (num_words > 0)[:, None]
    may_repeat = rules.is_contrasting[last] & is_begun[..., None]
    said = np.where(is_said & rules.is_said_once[spoken] & ~may_repeat, spoken, PAD_ID)  # the pad is never spoken
    np.put_along_axis(log_probs, said, -np.inf, axis=2)
    log_probs[rules.is_never_last[last[..., 0]] & is_begun, END_ID] = -np.inf
    is_last_word = num_words == max_words - 1
    if is_last_word.any():
        log_probs[np.ix_(is_last_word, np.ones(log_probs.shape[1], bool), rules.is_never_last)] = -np.inf


def _bound(log_probs: np.ndarray, num_words: np.ndarray, options: DecodingOptions) -> None:
    """Leaves tokens no chance that are never spoken, the end before `min_words`, and all but the end at `max_words`.

    log_probs: (photos, beams, vocabulary); num_words: (photos,), that each caption has so far.
    """
    log_probs[..., _NEVER_SPOKEN] = -np.inf
    log_probs[num_words < options.min_words, :, END_ID] = -np.inf
    is_full = num_words == options.max_words
    if is_full.any():  # the end, and nothing else
        # finite even where the end has no chance at all: whoever is still alive must come to one
        ends = np.maximum(log_probs[is_full, :, END_ID], np.finfo(np.float32).min)
        log_probs[is_full] = -np.inf
        log_probs[is_full, :, END_ID] = ends


def _best_continuations(
    alive: np.ndarray, log_probs: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `count` best continuations of each photo, best first: scores, beams and tokens, each (photos, count).

    alive: (photos, beams); log_probs: (photos, beams, vocabulary). Most of the vocabulary is looked at once only: it
    is cut into stripes, and the `count` best tokens are in the `count` stripes whose best tokens are best.
    """
    num_photos, num_beams, vocabulary_size = log_probs.shape
    count = min(count, num_beams * vocabulary_size)
    num_stripes = max(isqrt(vocabulary_size), -(-count // num_beams))
    stripe = np.arange(0, vocabulary_size, num_stripes)  # of token 0; a stripe's tokens are so far apart
    whole = vocabulary_size - vocabulary_size % num_stripes
    best = log_probs[..., :whole].reshape(num_photos, num_beams, -1, num_stripes).max(axis=2)
    rest = log_probs[..., whole:]
    np.maximum(best[..., : rest.shape[2]], rest, out=best[..., : rest.shape[2]])

    beams, stripes = np.divmod(_largest((alive[..., None] + best).reshape(num_photos, -1), count), num_stripes)
    beams = np.repeat(beams, len(stripe), axis=1)  # (photos, count * length of a stripe)
    tokens = (stripes[..., None] + stripe).reshape(num_photos, -1)
    photos = np.arange(num_photos)[:, None]
    is_token, tokens = tokens < vocabulary_size, np.minimum(tokens, vocabulary_size - 1)
    scores = np.where(is_token, alive[photos, beams] + log_probs[photos, beams, tokens], -np.inf)

    best = _largest(scores, count)
    # by falling score, equal scores by place, so that a search never depends on chance
    place = np.take_along_axis(beams * vocabulary_size + tokens, best, axis=1)
    order = np.lexsort((place, -np.take_along_axis(scores, best, axis=1)), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return tuple(np.take_along_axis(array, best, axis=1) for array in (scores, beams, tokens))


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` largest of (photos, n) are, in no order: (photos, count)."""
    if count >= scores.shape[1]:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(-scores, count - 1, axis=1)[:, :count]
