"""What a single caption scores, from what it adds to the scores of all."""

import numpy as np

from captioner.metrics.bleu import ORDERS
from captioner.metrics.tally import Tally


def sentence_scores(tally: Tally) -> dict[str, np.ndarray]:
    """`bleu_4`, `rouge_l` and `cider` of each photo's caption, and the official scores that were asked for.

    Each is (photos,) float, a fraction. BLEU-4 is smoothed, see `smoothed_bleu`; CIDEr-D has the document frequencies
    of the references of all photos.
    """
    found = {}
    for part in tally.parts:
        if "bleu_4" in part.names:
            found["bleu_4"] = smoothed_bleu(part.statistics)
        else:
            found |= zip(part.names, part.combine(part.statistics).T, strict=True)
    return found


def smoothed_bleu(statistics: np.ndarray) -> np.ndarray:
    """BLEU-4 of each caption by itself: (photos,) float, fractions. statistics: of `bleu_statistics`.

    One is added to matches and guesses of every order above the first (Lin and Och 2004, "ORANGE"; smoothing
    2 of Chen and Cherry 2014): few sentences share four words in a row with a reference, and without it all others
    would score 0. A caption too short for an order counts one guess there, as in NLTK, whose `method2` this equals.
    """
    lengths, closest_lengths = statistics[:, 0], statistics[:, 1]
    matches, guesses = np.split(statistics[:, 2:].astype(float), [len(ORDERS)], axis=1)
    guesses = np.maximum(guesses, 1)
    precisions = np.concatenate([matches[:, :1] / guesses[:, :1], (matches[:, 1:] + 1) / (guesses[:, 1:] + 1)], axis=1)
    # the brevity penalty of Papineni et al. 2002, section 2.3
    penalties = np.exp(np.minimum(0, 1 - closest_lengths / np.maximum(lengths, 1)))
    return penalties * precisions.prod(axis=1) ** (1 / len(ORDERS))
