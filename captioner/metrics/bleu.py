"""BLEU of a corpus (Papineni et al. 2002) from NLTK's parts, with the official caption scorer's figures."""

from collections.abc import Hashable, Sequence

ORDERS = (1, 2, 3, 4)

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
    from nltk.translate.bleu_score import brevity_penalty, closest_ref_length

    matches = dict.fromkeys(ORDERS, 0)
    guesses = dict.fromkeys(ORDERS, 0)
    length = closest_length = 0
    for prediction, photo_references in zip(predictions, references, strict=True):
        length += len(prediction)
        closest_length += closest_ref_length(photo_references, len(prediction))
        for order in ORDERS:
            num_guesses = max(0, len(prediction) - order + 1)
            guesses[order] += num_guesses
            matches[order] += _num_matches(prediction, photo_references, order, num_guesses)
    penalty = brevity_penalty(closest_length, length)
    scores, product = [], 1.0
    for order in ORDERS:
        product *= (matches[order] + _TINY) / (guesses[order] + _SMALL)
        scores.append(penalty * product ** (1 / order))  # the geometric mean of the precisions so far
    return tuple(scores)


def _num_matches(prediction, references, order, num_guesses) -> int:
    """How many n-grams of the prediction are in a reference, none counted more often than there."""
    from nltk.translate.bleu_score import modified_precision

    return int(modified_precision(references, prediction, order) * num_guesses)  # exact: it is a fraction
