"""What each photo adds to each score, so that any choice of photos is scored by adding up."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.metrics.bleu import bleu_of_sums, bleu_statistics
from captioner.metrics.cider import CiderScorer
from captioner.metrics.rouge import rouge_l

Tokens = Sequence[Hashable]


@dataclass(frozen=True)
class Part:
    """Scores that are a function of sums over photos."""

    names: tuple[str, ...]
    statistics: np.ndarray  # (photos, columns)
    combine: Callable[[np.ndarray], np.ndarray]  # (..., columns) sums -> (..., names) scores

    @classmethod
    def of_means(cls, name: str, values: Sequence[float]) -> "Part":
        """The part of a score that is a mean over photos."""
        columns = np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)
        return cls((name,), columns, lambda sums: sums[..., :1] / sums[..., 1:])


@dataclass(frozen=True)
class Tally:
    """One caption a photo counted against the photo's references."""

    parts: tuple[Part, ...]
    references_per_photo: tuple[int, ...]

    @property
    def num_photos(self) -> int:
        return len(self.references_per_photo)

    def counts(self) -> dict:
        """How many photos and references, as JSON."""
        each = self.references_per_photo
        return {
            "num_photos": len(each),
            "num_references": sum(each),
            "references_per_photo": {"min": min(each), "mean": sum(each) / len(each), "max": max(each)},
        }

    def scores(self) -> dict[str, float]:
        """Score name to the score of all photos."""
        found = {}
        for part in self.parts:
            found |= zip(part.names, part.combine(part.statistics.sum(axis=0)).tolist(), strict=True)
        return found


def tally_tokens(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Tally:
    """BLEU, ROUGE-L and CIDEr-D, photo by photo.

    captions: the tokens of one caption a photo. references: the tokens of at least one reference a photo.
    Document frequencies of CIDEr-D are those of all the references.
    """
    cider_scores = CiderScorer(references).scores(range(len(references)), captions)
    parts = (
        Part(("bleu_1", "bleu_2", "bleu_3", "bleu_4"), bleu_statistics(captions, references), bleu_of_sums),
        Part.of_means("rouge_l", list(map(rouge_l, captions, references))),
        Part.of_means("cider", cider_scores),
    )
    return Tally(parts, tuple(map(len, references)))
