"""Rules of words: which the search is given, by the vocabulary."""

import pytest

from captioner.options import DecodingOptions
from captioner.options.decoding import RULES
from captioner.search_rules import SEARCH_RULES, search_rules, suitable_rules
from captioner.tokenizer import Tokenizer

ENGLISH = [
    "a man and another man stand on the side of a road with a dog",
    "two dogs and the children are playing in the water of a lake",
    "a brown dog is next to the Frisbee , which is red",
]
KOREAN = ["남자 가 개 와 함께 서 있다", "두 마리 개 가 물 에서 놀고 있다"]
DRAWINGS = ["a red circle is to the left of a red square", "the circle on the square is in a circle with an end"]


def learned(captions):
    return Tokenizer.learn(captions, min_count=1)


def words_of(tokenizer, chosen):
    return {token for token, is_chosen in zip(tokenizer.tokens, chosen, strict=True) if is_chosen}


def test_every_name_has_rules():
    assert tuple(SEARCH_RULES) == RULES


def test_english_rules_tell_content_words_from_others():
    tokenizer = learned(ENGLISH)
    rules = search_rules(DecodingOptions(rules="english"), tokenizer)
    once = words_of(tokenizer, rules.is_said_once)
    assert once >= {"man", "dog", "dogs", "brown", "Frisbee", "red", "playing", "water"}
    assert not once & {"a", "the", "and", "another", "two", "of", "is", ",", "which"}
    assert words_of(tokenizer, rules.is_contrasting) == {"another"}
    assert words_of(tokenizer, rules.is_never_last) >= {"a", "the", "of", "on", "in", "with", "and", "is"}
    assert not words_of(tokenizer, rules.is_never_last) & {"dog", "two", "<end>", "<unk>"}


def test_no_rules_are_made_where_they_would_leave_nothing_to_say():
    assert search_rules(DecodingOptions(rules="english"), learned(["a dog", "the cat"])) is None


@pytest.mark.parametrize(
    ("captions", "name"),
    [
        (ENGLISH[:1] + 4 * ENGLISH[1:], "english"),
        (2 * ENGLISH[:1] + ENGLISH[1:], "none"),
        (KOREAN, "none"),
        (DRAWINGS, "none"),
    ],
)
def test_rules_are_chosen_by_what_people_say(captions, name):
    assert suitable_rules(learned(captions), captions) == name
