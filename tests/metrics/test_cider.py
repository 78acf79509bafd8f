import random
import time

import numpy as np
import pytest

from captioner.errors import CaptionerError
from captioner.metrics import CiderScorer

REFERENCES = [
    ["a dog runs on the grass", "the brown dog is running", "a dog outside"],
    ["two men sit on a bench", "men on a bench in the park"],
    ["a girl climbs a red rock"],
]


def split(references):
    return [[text.split() for text in photo_references] for photo_references in references]


def cider(predictions, references=REFERENCES):
    return CiderScorer(split(references)).scores(range(len(references)), [text.split() for text in predictions])


def test_scores_are_those_of_the_official_scorer():
    scores = cider(["a dog runs on the brown grass", "two men on a bench", "a a a girl"])
    assert scores == pytest.approx([3.32763968, 4.6991037, 1.65542907], abs=1e-7)


def test_the_only_reference_itself_scores_10():
    assert cider(["", "", "a girl climbs a red rock"])[2] == pytest.approx(10)


def test_a_single_photo_scores_0_because_no_ngram_is_rarer_than_another():
    assert cider(["a dog outside"], REFERENCES[:1]) == [0]


def test_an_empty_caption_scores_0():
    assert cider(["", "", ""]).tolist() == [0, 0, 0]


def test_nothing_in_common_scores_0():
    assert cider(["x y", "z", "w w w"]).tolist() == [0, 0, 0]


def test_empty_references_score_0():
    assert cider(["a dog", ""], [[""], [""]]).tolist() == [0, 0]


def test_repeating_a_matching_word_lowers_the_score():
    once, often = (cider(["", "", text])[2] for text in ("a red rock", "a red red red rock"))
    assert often < once


def test_ids_score_as_the_words_they_stand_for():
    references = split([["a dog runs", "dog on the grass"], ["a cat on grass"]])
    ids = {word: place for place, word in enumerate(word for photo in references for text in photo for word in text)}
    by_ids = CiderScorer([[[ids[word] for word in text] for text in photo] for photo in references])
    caption = references[0][1][:3]
    assert by_ids.score(0, [ids[word] for word in caption]) == CiderScorer(references).score(0, caption) > 0


def test_captions_of_one_photo_are_scored_in_any_order_and_number():
    scorer = CiderScorer(split(REFERENCES))
    captions = split([["a dog runs", "two men", "men on a bench"]])[0]
    scores = scorer.scores([0, 1, 1], captions)
    assert scores.tolist() == [scorer.score(0, captions[0]), scorer.score(1, captions[1]), scorer.score(1, captions[2])]


def test_no_captions_give_no_scores():
    assert CiderScorer(split(REFERENCES)).scores([], []).shape == (0,)


def test_photos_without_references_are_an_error():
    with pytest.raises(CaptionerError, match="photo number 1 has none"):
        CiderScorer([[["a"]], []])
    with pytest.raises(CaptionerError, match="at least one photo"):
        CiderScorer([])


@pytest.mark.parametrize("seed", range(5))
def test_random_captions_score_as_with_the_official_scorer(seed):
    official = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    words = random.Random(seed)

    def caption(shortest):
        return " ".join(words.choices("abcdefgh", k=words.randint(shortest, 14)))

    predictions = [caption(0) for _ in range(30)]
    references = [[caption(1) for _ in range(words.randint(1, 5))] for _ in predictions]
    mean, expected = official.compute_score(
        dict(enumerate(references)), {photo: [text] for photo, text in enumerate(predictions)}
    )
    scores = cider(predictions, references)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert scores.mean() == pytest.approx(mean, abs=1e-6)


def test_a_thousand_sampled_captions_are_scored_in_a_moment():
    words = np.random.default_rng(0)
    references = [[words.integers(2000, size=11).tolist() for _ in range(5)] for _ in range(200)]
    scorer = CiderScorer(references)
    start = time.process_time()
    scorer.scores([photo % 200 for photo in range(1000)], [references[photo % 200][0] for photo in range(1000)])
    assert time.process_time() - start < 2
