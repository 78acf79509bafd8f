"""What single captions score."""

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from captioner.metrics import CiderScorer, rouge_l, sentence_scores, tally_tokens

CAPTIONS = [
    "a dog runs over the green grass",
    "two men play",
    "dog",
    "a cat sleeps on a sofa in the house near the door",
    "nothing in common",
]
REFERENCES = [
    ["a brown dog runs over the grass", "a dog is running"],
    ["two men play football", "men play with a ball in the park"],
    ["a dog"],
    ["a cat lies on a sofa", "the cat sleeps on the red sofa"],
    ["people ride horses along a beach"],
]


@pytest.fixture(scope="module")
def split():
    """Captions and references as tokens."""
    return [text.split() for text in CAPTIONS], [[text.split() for text in texts] for texts in REFERENCES]


def test_sentence_bleu_is_nltk_s_with_its_second_smoothing(split):
    expected = [
        sentence_bleu(references, caption, smoothing_function=SmoothingFunction().method2)
        for caption, references in zip(*split, strict=True)
    ]
    np.testing.assert_allclose(sentence_scores(tally_tokens(*split))["bleu_4"], expected, rtol=1e-12)
    assert min(expected[:4]) > 0 == expected[4]


def test_rouge_l_and_cider_are_those_whose_means_are_the_scores_of_all(split):
    captions, references = split
    tally = tally_tokens(captions, references)
    found = sentence_scores(tally)
    assert list(found) == ["bleu_4", "rouge_l", "cider"]
    np.testing.assert_allclose(found["rouge_l"], list(map(rouge_l, captions, references)))
    np.testing.assert_allclose(found["cider"], CiderScorer(references).scores(range(5), captions))
    for name in ("rouge_l", "cider"):
        assert found[name].mean() == pytest.approx(tally.scores()[name])


def test_the_reference_itself_scores_1_and_nothing_scores_0():
    tokens = ["a", "b", "c", "d", "e"]
    found = sentence_scores(tally_tokens([tokens, [], ["a"]], [[tokens], [tokens], [["a"]]]))
    np.testing.assert_allclose(found["bleu_4"], [1, 0, 0.5 ** (3 / 4)])
