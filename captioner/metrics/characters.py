"""Tokens for scoring captions in scripts without spaces: characters there, words elsewhere."""

from captioner.tokenizer import split_text


def character_tokenize(text: str) -> list[str]:
    """Lower-case tokens: each character of Chinese, Japanese, Thai and the like, and whole words of the rest.

    Punctuation, symbols and emoji are dropped.
    """
    return [token.lower() for token in split_text(text) if any(char.isalnum() for char in token)]
