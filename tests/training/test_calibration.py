"""How sure a model is of its captions, fitted on dev."""

import numpy as np
import pytest

from captioner.confidence import MIN_PHOTOS
from captioner.datasets import Example
from captioner.inference import Caption
from captioner.training.calibration import calibrate

WORDS = ["dog", "cat", "cow", "bus", "boat", "kite", "zebra", "pizza"]
IS_CONTENT = np.arange(12) >= 4


def captions_of(num_photos, share_right):
    """Examples and captions: some of the right animal, rather sure of it, the others of another one, less sure."""
    generator, examples, captions = np.random.default_rng(0), [], []
    for number in range(num_photos):
        shown = number % len(WORDS)
        is_right = generator.random() < share_right
        said = shown if is_right else (shown + 1) % len(WORDS)
        sureness = generator.normal(-0.5 if is_right else -1.5, 0.5)
        examples.append(Example(f"{number}.jpg", (f"a {WORDS[shown]} is here",), "dev"))
        log_probs = (-0.5, min(sureness, 0.0), -0.5, -0.5, -0.5)
        tokens = (4, 5 + said % 7, 4, 4)
        text = f"a {WORDS[said]} is here"
        captions.append(Caption(text, sum(log_probs), 0.5, "m", tokens=tokens, token_log_probs=log_probs))
    return examples, captions


def test_a_fitted_confidence_is_higher_for_good_captions():
    examples, captions = captions_of(2 * MIN_PHOTOS, 0.6)
    confidence, record = calibrate(examples, captions, IS_CONTENT)
    assert record["num_photos"] == 2 * MIN_PHOTOS
    assert record["share_good"] == pytest.approx(0.6, abs=0.1)
    assert record["auc"] > 0.85
    told = [confidence(caption, IS_CONTENT) for caption in captions]
    assert np.mean(told) == pytest.approx(record["share_good"], abs=0.02)


@pytest.mark.parametrize(("num_photos", "share_right"), [(MIN_PHOTOS - 1, 0.6), (MIN_PHOTOS, 0.0), (MIN_PHOTOS, 1.0)])
def test_nothing_is_fitted_on_too_little(num_photos, share_right):
    assert calibrate(*captions_of(num_photos, share_right), IS_CONTENT) == (None, None)
