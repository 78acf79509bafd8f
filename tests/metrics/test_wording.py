"""What captions read like, by small examples."""

import pytest

from captioner.english import repeats_content_word
from captioner.metrics import ends_broken, repeats_itself, wording


@pytest.mark.parametrize(
    "caption",
    [
        "a dog runs in the",
        "a man in a",
        "a boy looks at",
        "a dog and",
        "Two men are",
        "a girl with her",
        "a dog runs on .",
    ],
)
def test_what_stops_where_more_must_follow_is_broken(caption):
    assert ends_broken(caption)


@pytest.mark.parametrize(
    "caption", ["a dog runs in the grass", "two dogs play", "a man waves", "", "a girl with her dog ."]
)
def test_whole_sentences_are_not_broken(caption):
    assert not ends_broken(caption)


@pytest.mark.parametrize("caption", ["a dog dog runs", "a man in the water in the water", "A dog a dog"])
def test_what_is_said_twice_in_a_row_is_a_repetition(caption):
    assert repeats_itself(caption)


@pytest.mark.parametrize("caption", ["a dog and a cat", "a man in red and a man in blue", "a", ""])
def test_words_that_come_again_later_are_none(caption):
    assert not repeats_itself(caption)


@pytest.mark.parametrize("caption", ["a Brown and brown dog", "a large building with a large window.", "dog, dog"])
def test_a_content_word_said_twice_is_a_repetition(caption):
    assert repeats_content_word(caption)


@pytest.mark.parametrize("caption", ["a dog and two dogs", "a man in the water in a boat", "one and one", ""])
def test_function_words_may_come_again(caption):
    assert not repeats_content_word(caption)


def test_shares_are_of_captions():
    captions = ["a dog runs", "a dog runs", "a man in the", "a cat sat sat"]
    assert wording(captions, ["A dog runs .", "a bird"]) == {
        "num_distinct_captions": 3,
        "mean_words": 3.5,
        "broken_endings": 0.25,
        "repeated_phrases": 0.25,
        "repeated_content_words": 0.25,
        "from_train": 0.5,
    }


def test_no_captions_at_all_are_zeros():
    assert wording([]) == {
        "num_distinct_captions": 0,
        "mean_words": 0.0,
        "broken_endings": 0.0,
        "repeated_phrases": 0.0,
        "repeated_content_words": 0.0,
    }
