import random

import numpy as np
import pytest

from captioner.metrics import corpus_bleu
from captioner.metrics.bleu import bleu_of_sums, bleu_statistics

# Figures below are those of the official scorer.
REFERENCES = [
    ["a dog runs on the grass", "the brown dog is running", "a dog outside"],
    ["two men sit on a bench", "men on a bench in the park"],
    ["a girl climbs a red rock"],
]


def bleu(predictions, references=REFERENCES):
    return corpus_bleu([text.split() for text in predictions], [[text.split() for text in refs] for refs in references])


def test_scores_are_those_of_the_official_scorer():
    scores = bleu(["a dog runs on the brown grass", "two men on a bench", "a a a girl"])
    assert scores == pytest.approx((0.8273408461, 0.7494232315, 0.6281246434, 0.5533099442), abs=1e-9)


def test_an_empty_caption_shortens_the_corpus():
    scores = bleu(["a dog runs on the brown grass", "two men on a bench", ""])
    assert scores == pytest.approx((0.6065306596, 0.5754055065, 0.5006800281, 0.4416984668), abs=1e-9)


def test_only_empty_captions_score_0():
    assert bleu(["", "", ""]) == (0, 0, 0, 0)


def test_empty_captions_against_empty_references_score_0_too():
    assert bleu(["", ""], [[""], [""]]) == (0, 0, 0, 0)


def test_captions_without_any_word_of_the_references_score_0():
    assert bleu(["x y", "z", "w w w"]) == pytest.approx((0, 0, 0, 0), abs=1e-12)


def test_one_order_without_a_match_leaves_a_trace_of_the_official_constants():
    scores = bleu(["the dog runs", "a man on bench"], REFERENCES[:2])
    assert scores == pytest.approx((0.6441233939, 0.3111411590, 0.0000028945, 0.0000000116), abs=1e-9)


def test_captions_shorter_than_an_ngram_are_no_guess_of_one():
    references = [["a dog runs on grass"], ["dogs"]]
    assert bleu(["a dog runs on grass", "dogs"], references)[3] == pytest.approx(1)


def test_the_shorter_of_two_equally_close_references_sets_the_length():
    references = [["a b", "a b c d"]]
    assert bleu(["a b c"], references)[0] == pytest.approx(1)  # 2 tokens, so a caption of 3 is not too short


def test_a_repeated_word_counts_as_often_as_in_one_reference():
    assert bleu(["the the the the"], [["the cat", "on the mat the"]])[0] == pytest.approx(2 / 4)


def test_the_penalty_for_shortness_is_that_of_nltk():
    from nltk.translate.bleu_score import brevity_penalty

    for length, closest_length in ((7, 9), (9, 9), (9, 7), (0, 3)):
        sums = np.array([length, closest_length] + [1] * 8)
        assert bleu_of_sums(sums) == pytest.approx([brevity_penalty(closest_length, length)] * 4)


def test_statistics_are_the_counts_of_each_photo():
    statistics = bleu_statistics([["a", "dog", "runs"]], [[["a", "dog"], ["the", "dog", "runs", "fast"]]])
    assert statistics.tolist() == [[3, 2, 3, 2, 0, 0, 3, 2, 1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_random_captions_score_as_with_the_official_scorer(seed):
    official = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    words = random.Random(seed)

    def caption(shortest):
        return " ".join(words.choices("abcde", k=words.randint(shortest, 9)))

    predictions = [caption(0) for _ in range(20)]
    references = [[caption(1) for _ in range(words.randint(1, 5))] for _ in predictions]
    expected, _ = official.compute_score(
        dict(enumerate(references)), {photo: [text] for photo, text in enumerate(predictions)}, verbose=0
    )
    assert bleu(predictions, references) == pytest.approx(expected, abs=1e-6)
