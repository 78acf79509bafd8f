"""Photos seen in a mirror, and captions that say so: left becomes right."""

import numpy as np

from captioner.datasets import Example
from captioner.tokenizer import SPECIAL_TOKENS, UNK_ID, Tokenizer

# Word and mirrored word. One without a partner, such as French "droit", which is straight as well, cannot be mirrored.
_WORDS = {
    "English": (
        "left/right leftmost/rightmost left-most/right-most left-hand/right-hand left-handed/right-handed"
        " leftward/rightward leftwards/rightwards lefthand/righthand"
    ),
    "German": "links/rechts linke/rechte linken/rechten linker/rechter linkes/rechtes linkem/rechtem",
    "French": "gauche/droite gauches/droites droit/ droits/",
    "Spanish": "izquierda/derecha izquierdo/derecho izquierdas/derechas izquierdos/derechos",
    "Chinese and Japanese": "左/右",
}
_BEGINNINGS = {"Korean": "왼쪽/오른쪽 왼편/오른편 왼손/오른손 왼팔/오른팔 왼발/오른발"}  # what follows is a particle


def _both_ways(table: dict[str, str]) -> dict[str, str]:
    pairs = [pair.split("/") for words in table.values() for pair in words.split()]
    return {one: other for left, right in pairs for one, other in ((left, right), (right, left)) if one}


_MIRRORED_WORDS, _MIRRORED_BEGINNINGS = _both_ways(_WORDS), _both_ways(_BEGINNINGS)


def mirrored(token: str) -> str:
    """What the token is called in a mirror: "left" for "right", most others as they are, "" where it cannot be said."""
    token = token.lower()
    for beginning, other in _MIRRORED_BEGINNINGS.items():
        if token.startswith(beginning):
            return other + token.removeprefix(beginning)
    return _MIRRORED_WORDS.get(token, token)


def mirrored_ids(tokenizer: Tokenizer) -> np.ndarray:
    """(vocabulary,) int32: the id of each token's partner in a mirror, UNK_ID where the vocabulary has none."""
    ids = np.arange(len(tokenizer), dtype=np.int32)
    for id in range(len(SPECIAL_TOKENS), len(tokenizer)):
        ids[id] = tokenizer.id_of(mirrored(tokenizer.tokens[id]))
    return ids


def can_be_flipped(example: Example, tokenizer: Tokenizer, partners: np.ndarray) -> bool:
    """Whether all that the vocabulary has of the captions can be said of the photo in a mirror."""
    ids = np.array([id for caption in example.captions for id in tokenizer.encode(caption)], np.int32)
    return not np.any((partners[ids] == UNK_ID) & (ids != UNK_ID))
