"""How captions read, beside how they score: what self-critical training is known to spoil shows here."""

from collections.abc import Iterable, Sequence

from captioner.english import UNFINISHED_WORDS, repeats_content_word


def ends_broken(caption: str) -> bool:
    """Whether the caption stops where more must follow: at a preposition, an article, a conjunction, "is" or "are".

    Words that are adverbs as well count, too ("a man looks up"), so that nothing broken is missed.
    """
    words = caption.lower().rstrip(" .,;:!?").split()
    return bool(words) and words[-1] in UNFINISHED_WORDS


def repeats_itself(caption: str) -> bool:
    """Whether a run of one to four words is said twice in a row, as in "in the water in the water"."""
    words = caption.lower().split()
    return any(
        words[start : start + length] == words[start + length : start + 2 * length]
        for length in range(1, 5)
        for start in range(len(words) - 2 * length + 1)
    )


def wording(captions: Sequence[str], train_captions: Iterable[str] | None = None) -> dict:
    """Shares of captions (0 to 1) and their mean length in words, as JSON.

    broken_endings, repeated_content_words: of English, see `ends_broken` and `repeats_content_word`. from_train: said
    word for word in a train caption, case and a final stop aside; only where train captions are given.
    """
    found = {
        "num_distinct_captions": len(set(captions)),
        "mean_words": _mean(len(caption.split()) for caption in captions),
        "broken_endings": _mean(map(ends_broken, captions)),
        "repeated_phrases": _mean(map(repeats_itself, captions)),
        "repeated_content_words": _mean(map(repeats_content_word, captions)),
    }
    if train_captions is not None:
        known = {_plain(caption) for caption in train_captions}
        found["from_train"] = _mean(_plain(caption) in known for caption in captions)
    return found


def _plain(caption: str) -> str:
    return " ".join(caption.lower().split()).rstrip(" .")


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0
