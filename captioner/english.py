"""What is known of English words: which of them say what is in a photo, and which cannot end a caption."""

from collections.abc import Sequence

_UNFINISHED = {  # words after which more must follow
    "articles": "a an the",
    "prepositions": "about above across after against along among around as at before behind below beside between by"
    " down during for from in inside into near next of off on onto out outside over past through to toward towards"
    " under up upon with",
    "conjunctions and relatives": "and but or while that which who whose",
    "to be": "is are was were be being been",
    "possessives": "his her its their my our your",
}
UNFINISHED_WORDS = frozenset(word for words in _UNFINISHED.values() for word in words.split())

_OTHER_FUNCTION_WORDS = {
    "pronouns": "he him himself she herself it itself they them themselves we us i you one ones each this these those"
    " there some someone something everyone other others another same what when where",
    "quantities": "two three four five six seven eight nine ten many several few both all no not more most lots lot"
    " couple pair group bunch",
    "auxiliaries": "am do does did has have having had can could will would may might",
    "adverbs and the rest": "very together so than then if because until like just too also only away back",
}
FUNCTION_WORDS = UNFINISHED_WORDS | {word for words in _OTHER_FUNCTION_WORDS.values() for word in words.split()}

CONTRASTING_WORDS = frozenset(["another", "other", "second", "third", "each", "opposite", "different"])
"""Words after which a thing may be named again: "a man and another man"."""

_COMMONEST = ("a", "the", "in", "of", "on", "and", "with", "is", "to", "are")  # in descriptions of photos


def is_english(words: Sequence[str]) -> bool:
    """Whether a vocabulary that begins with its commonest words is one of English captions."""
    return len({word.lower() for word in words[:40]}.intersection(_COMMONEST)) >= 7


def is_content_word(word: str) -> bool:
    """Whether the word says what is in the photo: not one of the closed classes, not punctuation."""
    return word[0].isalpha() and word.lower() not in FUNCTION_WORDS


def repeats_content_word(caption: str) -> bool:
    """Whether an English content word is said twice, as in "a brown and brown dog"."""
    words = [word.strip('.,;:!?"()') for word in caption.lower().split()]
    words = [word for word in words if word and is_content_word(word)]
    return len(set(words)) < len(words)
