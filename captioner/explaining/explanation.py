"""What an explanation holds."""

from dataclasses import dataclass

import numpy as np

from captioner.explaining.cells import CELLS, Activations, check_part
from captioner.options import DecodingOptions


@dataclass(frozen=True)
class Candidate:
    """A token that could have come next. log_prob: natural log, of the network, whatever the search allows."""

    token: str
    log_prob: float

    @property
    def probability(self) -> float:
        return float(np.exp(self.log_prob))


@dataclass(frozen=True)
class Step:
    """One step of the decoder: it reads a token and chooses the next.

    chosen: what the search took, which need not be the likeliest; runners_up: the likeliest others, likeliest first.
    """

    read: str
    chosen: Candidate
    runners_up: tuple[Candidate, ...]


@dataclass(frozen=True)
class Beam:
    """A caption that the search finished. score: what it is ranked by, its log-probability over a power of its length.

    log_prob: natural log, summed over the tokens, the end included; confidence: as of `Caption`.
    """

    text: str
    log_prob: float
    score: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """How a caption came about, step by step; the last step chose the end.

    photo: (size, size, 3) uint8, squeezed as the model sees it; photo_shape: height and width of the upright photo.
    attention: (steps, rows, columns) over the squeezed photo, each step sums to 1, the mean of all heads; None for a
    model without.
    first_state: what the cell starts from, by name, each (units,); activations: the parts of its cell (`CELLS`) in
    every step, by name, each (steps, units).
    beams: the captions that the search finished, best first; the first is the caption.
    """

    model: str
    decoder: str  # a key of CELLS
    num_heads: int
    options: DecodingOptions
    photo: np.ndarray
    photo_shape: tuple[int, int]
    steps: tuple[Step, ...]
    attention: np.ndarray | None
    first_state: Activations
    activations: Activations
    beams: tuple[Beam, ...]

    @property
    def caption(self) -> str:
        return self.beams[0].text

    @property
    def log_prob(self) -> float:
        return self.beams[0].log_prob

    @property
    def confidence(self) -> float:
        """As of `Caption`: 0 to 1."""
        return self.beams[0].confidence

    @property
    def num_units(self) -> int:
        return next(iter(self.activations.values())).shape[1]

    def activation(self, part: str) -> np.ndarray:
        """One part of the cell in every step: (steps, units). Raises: OptionsError when the cell has no such part."""
        check_part(self.decoder, part)
        return self.activations[part]

    @property
    def forgets_most(self) -> int | None:
        """The step whose gate lets the least of the state pass, on average over units; None for a cell without one."""
        keeping_gate = CELLS[self.decoder].keeping_gate
        return None if keeping_gate is None else int(self.activations[keeping_gate].mean(axis=1).argmin())
