"""ROUGE-L (Lin 2004) with the weights of the official caption scorer."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

BETA = 1.2  # how much more recall weighs than precision


def rouge_l(prediction: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> float:
    """ROUGE-L of one caption, a fraction: the F score of the longest common subsequence.

    The best precision and the best recall are taken each by itself, perhaps from two references, as the
    official scorer does. An empty caption, or one without a word in common with any reference, scores 0.
    """
    common = [_common_length(prediction, reference) for reference in references]
    if max(common) == 0:
        return 0.0
    precision = max(common) / len(prediction)
    recall = max(length / len(reference) for length, reference in zip(common, references, strict=True) if reference)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence, by the bit-parallel method of Hyyrö (2004).

    Bit i of `row` is 0 where the subsequence grows at place i of `left`: one addition does a whole row of the
    usual table.
    """
    places = defaultdict(int)
    for place, token in enumerate(left):
        places[token] |= 1 << place
    all_places = row = (1 << len(left)) - 1
    for token in right:
        grown = row & places.get(token, 0)
        row = ((row + grown) | (row - grown)) & all_places
    return len(left) - row.bit_count()
