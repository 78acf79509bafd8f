"""Captions of any system scored against what people wrote: reading, matching, and how sure the scores are."""

from captioner.scoring.matching import PhotoNames, match_predictions
from captioner.scoring.predictions import Prediction, Predictions, read_predictions
from captioner.scoring.references import References, read_references
from captioner.scoring.report import describe_report, difference_report, score_report, tally_examples
from captioner.scoring.selection import Selection, select_photos

__all__ = [
    "PhotoNames",
    "Prediction",
    "Predictions",
    "References",
    "Selection",
    "describe_report",
    "difference_report",
    "match_predictions",
    "read_predictions",
    "read_references",
    "score_report",
    "select_photos",
    "tally_examples",
]
