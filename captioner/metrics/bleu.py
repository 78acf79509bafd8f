"""BLEU of a corpus (Papineni et al. 2002) from NLTK's parts, with the official caption scorer's figures."""

from collections.abc import Hashable, Sequence

import numpy as np

from captioner.metrics.ngrams import NUM_ORDERS

ORDERS = tuple(range(1, NUM_ORDERS + 1))

# What the official scorer adds to matches and to guesses, so that nothing is divided by zero. It shows: four
# orders of which one has no match give about 1e-4 where NLTK would give 0.
_TINY, _SMALL = 1e-15, 1e-9


def corpus_bleu(
    predictions: Sequence[Sequence[Hashable]], references: Sequence[Sequence[Sequence[Hashable]]]
) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of the whole corpus, as fractions.

    predictions: the tokens of one caption a photo, none for an empty caption.
    references: the tokens of at least one reference a photo, in the order of the photos.
    NLTK's own `corpus_bleu` counts a guess for every caption that is too short to hold an n-gram, and gives
    0 as soon as one order has no match; the official scorer does neither, so only its parts are used.
    """
    return tuple(bleu_of_sums(bleu_statistics(predictions, references).sum(axis=0)).tolist())


def bleu_statistics(
    predictions: Sequence[Sequence[Hashable]], references: Sequence[Sequence[Sequence[Hashable]]]
) -> np.ndarray:
    """What each photo adds to BLEU: (photos, 10) int, so that any choice of photos can be scored by its sums.

    The columns: tokens of the caption, tokens of its closest reference, matches of the four orders, guesses of them.
    """
    from nltk.translate.bleu_score import closest_ref_length

    rows = []
    for prediction, photo_references in zip(predictions, references, strict=True):
        guesses = [max(0, len(prediction) - order + 1) for order in ORDERS]
        matches = [
            _num_matches(prediction, photo_references, order, num_guesses)
            for order, num_guesses in zip(ORDERS, guesses, strict=True)
        ]
        rows.append([len(prediction), closest_ref_length(photo_references, len(prediction)), *matches, *guesses])
    return np.array(rows, dtype=int).reshape(-1, 2 + 2 * len(ORDERS))


def bleu_of_sums(sums: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4 of sums of `bleu_statistics` over photos: (..., 10) to (..., 4), fractions."""
    length, closest_length, counts = sums[..., :1], sums[..., 1:2], sums[..., 2:]
    matches, guesses = counts[..., : len(ORDERS)], counts[..., len(ORDERS) :]
    precisions = (matches + _TINY) / (guesses + _SMALL)
    geometric_means = np.cumprod(precisions, axis=-1) ** (1 / np.array(ORDERS))  # of the precisions so far
    excess = np.where(length > 0, closest_length / np.maximum(length, 1) - 1, np.inf)  # no token at all: no BLEU
    return np.exp(-np.maximum(excess, 0)) * geometric_means  # the brevity penalty of section 2.3


def _num_matches(prediction, references, order, num_guesses) -> int:
    """How many n-grams of the prediction are in a reference, none counted more often than there."""
    from nltk.translate.bleu_score import modified_precision

    return int(modified_precision(references, prediction, order) * num_guesses)  # exact: it is a fraction
