"""Runs of tokens, which BLEU and CIDEr-D both count."""

from collections import Counter
from collections.abc import Hashable, Sequence

NUM_ORDERS = 4  # n-grams of one to four tokens


def count_ngrams(tokens: Sequence[Hashable]) -> Counter[tuple[Hashable, ...]]:
    return Counter(
        tuple(tokens[start : start + order])
        for order in range(1, NUM_ORDERS + 1)
        for start in range(len(tokens) - order + 1)
    )
