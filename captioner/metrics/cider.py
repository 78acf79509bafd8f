"""CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 5), with the figures of the official caption scorer."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from captioner.errors import CaptionerError
from captioner.metrics.ngrams import NUM_ORDERS, count_ngrams

SIGMA = 6.0  # tokens: how far a caption's length may lie from a reference's
_ORDERS = np.arange(NUM_ORDERS)[:, None]


class _Vector(NamedTuple):
    """A caption as its weighted n-grams."""

    ids: np.ndarray  # (ngrams,) int, -1 for an n-gram of no reference
    orders: np.ndarray  # (ngrams,) int, 0 for single tokens
    weights: np.ndarray  # (ngrams,) float, times it occurs x inverse document frequency
    norms: np.ndarray  # (orders,) float
    length: int


class _Photo(NamedTuple):
    """The references of a photo side by side, an n-gram a row."""

    ids: np.ndarray  # (ngrams,) int, ascending; the last is above all ids, so that a search stays inside
    weights: np.ndarray  # (ngrams, references) float
    norms: np.ndarray  # (orders, references) float
    lengths: np.ndarray  # (references,) int


class CiderScorer:
    """Scores captions against the references of photos; what depends on the references alone is done once.

    Document frequencies are those of the references given: an n-gram counts for the photos whose references
    hold it. With a single photo every n-gram is in every document, all weights are log 1, and all scores 0.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[Hashable]]]):
        """references: for each photo the tokens (words or ids) of its references.

        Raises: CaptionerError if there is no photo, or a photo without references.
        """
        if not references:
            raise CaptionerError("CIDEr needs the references of at least one photo, not of none")
        for photo, photo_references in enumerate(references):
            if not photo_references:
                raise CaptionerError(f"CIDEr needs at least one reference a photo; photo number {photo} has none")
        self._id_of_ngram = {}
        frequencies = Counter()
        for photo_references in references:
            ngrams = set().union(*map(count_ngrams, photo_references))
            frequencies.update(self._id_of_ngram.setdefault(ngram, len(self._id_of_ngram)) for ngram in ngrams)
        documents = np.ones(len(self._id_of_ngram) + 1)  # one more: id -1, an n-gram of no reference, is in "one"
        documents[list(frequencies.keys())] = list(frequencies.values())
        self._idf = np.log(len(references)) - np.log(documents)
        self._references = references
        self._photos: dict[int, _Photo] = {}  # those that were asked for

    def score(self, photo: int, prediction: Sequence[Hashable]) -> float:
        """CIDEr-D of one caption of photo number `photo`: 0 for no likeness, 10 for the only reference itself.

        Papers print 100 times this. A caption without tokens, or without an n-gram of a reference, scores 0.
        """
        return self._score(self._photo(photo), prediction)

    def scores(self, photos: Sequence[int], predictions: Sequence[Sequence[Hashable]]) -> np.ndarray:
        """CIDEr-D of many captions, each of the photo beside it: (captions,) float."""
        pairs = zip(photos, predictions, strict=True)
        return np.array([self.score(photo, prediction) for photo, prediction in pairs], dtype=float)

    def scores_against(
        self, references: Sequence[Sequence[Hashable]], predictions: Sequence[Sequence[Hashable]]
    ) -> np.ndarray:
        """CIDEr-D of several captions of one photo that frequencies need not be of: (captions,) float.

        An n-gram that no photo of the frequencies has is rarest of all, and matches nothing.
        """
        photo = self._prepare(references)
        return np.array([self._score(photo, prediction) for prediction in predictions], dtype=float)

    def _photo(self, photo: int) -> _Photo:
        if photo not in self._photos:
            self._photos[photo] = self._prepare(self._references[photo])
        return self._photos[photo]

    def _score(self, references: _Photo, prediction) -> float:
        vector = self._vector(prediction)
        rows = np.searchsorted(references.ids, vector.ids)
        shared = references.ids[rows] == vector.ids
        theirs = references.weights[rows[shared]]  # (shared ngrams, references)
        products = np.minimum(vector.weights[shared, None], theirs) * theirs  # clipped: repeating gains nothing
        dots = (vector.orders[shared] == _ORDERS) @ products  # (orders, references)
        norms = vector.norms[:, None] * references.norms
        cosines = np.divide(dots, norms, out=np.zeros_like(norms), where=norms > 0)
        penalties = np.exp(-((vector.length - references.lengths) ** 2) / (2 * SIGMA**2))
        return float(10 * (cosines * penalties).mean())

    def _vector(self, tokens) -> _Vector:
        counts = count_ngrams(tokens)
        ids = np.array([self._id_of_ngram.get(ngram, -1) for ngram in counts], dtype=int)
        orders = np.array([len(ngram) - 1 for ngram in counts], dtype=int)
        weights = np.array(list(counts.values()), dtype=float) * self._idf[ids]
        norms = np.sqrt(np.bincount(orders, weights**2, minlength=NUM_ORDERS))
        return _Vector(ids, orders, weights, norms, _length(tokens))

    def _prepare(self, references) -> _Photo:
        vectors = [self._vector(tokens) for tokens in references]
        ids = np.unique(
            np.concatenate([vector.ids[vector.ids >= 0] for vector in vectors] + [[len(self._id_of_ngram)]])
        )
        weights = np.zeros((len(ids), len(vectors)))
        for column, vector in enumerate(vectors):
            is_known = vector.ids >= 0
            weights[np.searchsorted(ids, vector.ids[is_known]), column] = vector.weights[is_known]
        norms = np.stack([vector.norms for vector in vectors], axis=1)
        return _Photo(ids, weights, norms, np.array([vector.length for vector in vectors]))


def _length(tokens) -> int:
    return max(0, len(tokens) - 1)  # in pairs of tokens, as the official scorer counts it
