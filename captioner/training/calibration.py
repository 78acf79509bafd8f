"""How sure a finished model is of its captions, fitted on what it says of dev photos."""

from collections.abc import Sequence

import numpy as np

from captioner.confidence import (
    GOOD_CIDER,
    MIN_PHOTOS,
    Confidence,
    area_under_curve,
    cross_validated,
    fit_confidence,
    statistics_of,
)
from captioner.datasets import Example
from captioner.inference import Caption
from captioner.metrics import sentence_scores
from captioner.scoring import tally_examples


def calibrate(
    examples: list[Example], captions: Sequence[Caption], is_content: np.ndarray
) -> tuple[Confidence | None, dict | None]:
    """The confidence fitted on captions of photos that nothing was learned from, and its record for training.json.

    is_content: (vocabulary,) bool. Both are None where there are too few photos, or captions are all good or all bad.
    The record: `num_photos`, `good_cider` (above which a caption counts as good), `share_good`, and `auc`, the area
    under the curve of telling good from bad, each photo by a regression fitted without it (10 parts).
    """
    if len(examples) < MIN_PHOTOS:
        return None, None
    is_good = sentence_scores(tally_examples(examples, [caption.text for caption in captions]))["cider"] > GOOD_CIDER
    if not 0.02 < is_good.mean() < 0.98:
        return None, None
    statistics = np.stack([statistics_of(caption, is_content) for caption in captions])
    record = {
        "num_photos": len(examples),
        "good_cider": GOOD_CIDER,
        "share_good": round(float(is_good.mean()), 4),
        "auc": round(area_under_curve(cross_validated(statistics, is_good), is_good), 4),
    }
    return fit_confidence(statistics, is_good), record
