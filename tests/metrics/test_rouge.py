import random
from itertools import combinations

import pytest

from captioner.metrics import rouge_l


def rouge(prediction, *references):
    return rouge_l(prediction.split(), [reference.split() for reference in references])


def test_scores_are_those_of_the_official_scorer():
    references = ("a dog runs on the grass", "the brown dog is running", "a dog outside")
    assert rouge("a dog runs on the brown grass", *references) == pytest.approx(0.93606138, abs=1e-8)
    assert rouge("two men on a bench", "two men sit on a bench", "men on a bench in the park") == pytest.approx(
        0.89442815, abs=1e-8
    )
    assert rouge("a a a girl", "a girl climbs a red rock") == pytest.approx(0.38607595, abs=1e-8)


def test_a_reference_itself_scores_1():
    assert rouge("a dog runs", "two cats", "a dog runs") == pytest.approx(1)


def test_precision_and_recall_may_come_from_two_references():
    # Precision 2/2 from the first, recall 1/1 from the second.
    assert rouge("a b", "a b c d", "a") == pytest.approx(1)


def test_nothing_in_common_scores_0():
    assert rouge("x y", "a b") == 0


def test_an_empty_caption_scores_0_even_against_an_empty_reference():
    assert rouge("", "a b") == 0
    assert rouge("", "") == 0
    assert rouge("a", "") == 0


def test_tokens_may_be_ids():
    assert rouge_l([7, 8, 9], [[7, 9]]) == rouge("a b c", "a c")


@pytest.mark.parametrize("seed", range(3))
def test_the_common_subsequence_is_the_longest(seed):
    letters = random.Random(seed)
    left, right = (letters.choices("abc", k=letters.randint(1, 8)) for _ in range(2))
    subsequences = {part for size in range(1, 9) for part in combinations(right, size)}
    longest = max(len(part) for size in range(1, 9) for part in combinations(left, size) if part in subsequences)
    precision, recall = longest / len(left), longest / len(right)
    expected = 2.44 * precision * recall / (recall + 1.44 * precision)
    assert rouge_l(left, [right]) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_random_captions_score_as_with_the_official_scorer(seed):
    official = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    words = random.Random(seed)
    for _ in range(50):
        prediction, *references = (
            " ".join(words.choices("abcdef", k=words.randint(1, 12))) for _ in range(words.randint(2, 6))
        )
        assert rouge(prediction, *references) == pytest.approx(official.calc_score([prediction], references), abs=1e-9)
