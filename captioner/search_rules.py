"""Rules of the search that depend on words: the table `SEARCH_RULES`, by the names that `config.json` stores."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from captioner.english import CONTRASTING_WORDS, FUNCTION_WORDS, UNFINISHED_WORDS, is_english, repeats_content_word
from captioner.options import DecodingOptions
from captioner.tokenizer import UNK_ID, Tokenizer

_NUM_CAPTIONS_LOOKED_AT = 5000
_MAX_REPEATING = 0.15  # of captions; in COCO and Flickr8k about 0.05 name a thing twice


@dataclass(frozen=True)
class SearchRules:
    """Which tokens a search may not choose, given those it has chosen. Each is (vocabulary,) bool.

    is_said_once: not chosen a second time, unless right after a token of `is_contrasting`. is_never_last: not
    followed by the end.
    """

    is_said_once: np.ndarray
    is_contrasting: np.ndarray
    is_never_last: np.ndarray


def content_tokens(options: DecodingOptions, tokenizer: Tokenizer) -> np.ndarray:
    """Which tokens say what is in a photo, (vocabulary,) bool: all where nothing is known of the language."""
    is_spoken = np.arange(len(tokenizer)) > UNK_ID
    if options.rules == "none":
        return is_spoken
    is_word = np.array([token[0].isalpha() for token in tokenizer.tokens])
    return is_spoken & is_word & ~_tokens_of(tokenizer, FUNCTION_WORDS)


def english_rules(tokenizer: Tokenizer) -> SearchRules | None:
    """No content word twice ("a brown and brown dog"), but "a man and another man"; no "a dog on a" at the end.

    None for a vocabulary in which nothing would be left to say.
    """
    is_content = content_tokens(DecodingOptions(rules="english"), tokenizer)
    is_unfinished = _tokens_of(tokenizer, UNFINISHED_WORDS)
    if (is_content | is_unfinished)[UNK_ID + 1 :].all():
        return None
    return SearchRules(is_content, _tokens_of(tokenizer, CONTRASTING_WORDS), is_unfinished)


SEARCH_RULES: dict[str, Callable[[Tokenizer], SearchRules | None]] = {
    "none": lambda tokenizer: None,
    "english": english_rules,
}


def search_rules(options: DecodingOptions, tokenizer: Tokenizer) -> SearchRules | None:
    """The rules that the options name, for the tokens of a vocabulary."""
    return SEARCH_RULES[options.rules](tokenizer)


def suitable_rules(tokenizer: Tokenizer, captions: Iterable[str]) -> str:
    """The name of the rules that suit a model of these captions, from which the vocabulary was learned.

    "none" where captions are not English, or where people themselves name things twice.
    """
    sample = list(islice(captions, _NUM_CAPTIONS_LOOKED_AT))
    num_repeating = sum(map(repeats_content_word, sample))
    if not is_english(tokenizer.tokens[UNK_ID + 1 :]) or num_repeating > _MAX_REPEATING * len(sample):
        return "none"
    return "english"


def _tokens_of(tokenizer: Tokenizer, words: Iterable[str]) -> np.ndarray:
    """Which tokens are among the words, (vocabulary,) bool."""
    found = np.zeros(len(tokenizer), bool)
    found[[tokenizer.id_of(word) for word in words]] = True
    found[: UNK_ID + 1] = False
    return found
