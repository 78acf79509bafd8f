"""A caption taken apart: where the decoder looked, what it might have said, and what its cell did meanwhile.

>>> explanation = explain(Captioner.load("everyday"), "photo.jpg")
>>> explanation.activation("forget_gate").shape
(11, 512)
"""

from captioner.explaining.cells import CELLS, KINDS, check_kinds
from captioner.explaining.explanation import Beam, Candidate, Explanation, Step
from captioner.explaining.replay import NUM_RUNNERS_UP, explain

__all__ = ["CELLS", "KINDS", "NUM_RUNNERS_UP", "Beam", "Candidate", "Explanation", "Step", "check_kinds", "explain"]
