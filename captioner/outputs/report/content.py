"""What the report of an evaluation shows, as JSON, and its pictures, one after the other."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from math import isqrt
from pathlib import Path

import numpy as np

from captioner.datasets import Example
from captioner.errors import ImageError
from captioner.escaping import visible_line
from captioner.images import read_thumbnail
from captioner.inference import Caption, Replay
from captioner.metrics import TOKENIZERS, Tally, sentence_scores
from captioner.tokenizer import SPECIAL_TOKENS, Tokenizer

_SIDE = 208  # pixels: a JPEG of some 5 kB
_QUALITY = 50
_DECIMALS = 4


def report_content(
    result: dict,
    examples: Sequence[Example],
    captions: Sequence[Caption],
    replays: Sequence[Replay],
    tally: Tally,
    tokenizer: Tokenizer,
) -> dict:
    """All of the report but its pictures, as JSON.

    result: what `captioner evaluate` prints. captions, replays: of each example, never none. tally: of these captions.
    tokenizer: the model's.
    """
    scores = sentence_scores(tally)
    rows = np.round(np.stack(list(scores.values()), axis=1), _DECIMALS).tolist()
    return {
        "result": result,
        "sentence_scores": list(scores),
        "grid": _side_of_grid(replays[0]),
        "photos": [
            {
                "image": visible_line(example.image),
                "references": list(example.captions),
                "words": tokenizer.decode_words(caption.tokens),
                "probabilities": np.exp(replay.log_probs[:-1]).round(_DECIMALS).tolist(),
                "scores": row,
            }
            for example, caption, replay, row in zip(examples, captions, replays, rows, strict=True)
        ],
        "lengths": _lengths(result["tokenizer"], examples, [caption.text for caption in captions]),
        "vocabulary": _unused_words(tokenizer, examples, [caption.tokens for caption in captions]),
    }


def _side_of_grid(replay: Replay) -> int | None:
    """How many regions lie side by side; None without attention, or where the regions are no square."""
    if replay.attention is None:
        return None
    num_regions = replay.attention.shape[1]
    side = isqrt(num_regions)
    return side if side * side == num_regions else None


def _lengths(tokenizer_name: str, examples: Sequence[Example], captions: Sequence[str]) -> dict[str, list[int]]:
    """How many captions and how many references have 0, 1, 2, ... tokens, as they are scored."""
    tokenize = TOKENIZERS[tokenizer_name]
    references = [text for example in examples for text in example.captions]
    counts = [np.bincount([len(tokenize(text)) for text in texts]) for texts in (captions, references)]
    return dict(zip(("captions", "references"), (count.tolist() for count in counts), strict=True))


def _unused_words(tokenizer: Tokenizer, examples: Sequence[Example], captions: Iterable[Sequence[int]]) -> dict:
    """The words of the vocabulary that no caption says, with how often the references do, most often first."""
    used = {token for tokens in captions for token in tokens}
    of_people = Counter(token for example in examples for text in example.captions for token in tokenizer.encode(text))
    words = [
        token
        for token, text in enumerate(tokenizer.tokens)
        if token >= len(SPECIAL_TOKENS) and any(map(str.isalnum, text))  # punctuation marks are no words
    ]
    unused = sorted((token for token in words if token not in used), key=lambda token: -of_people[token])
    return {
        "size": len(words),
        "unused": [[tokenizer.tokens[token], of_people[token]] for token in unused],
    }


def pictures_of(paths: Iterable[Path], replays: Iterable[Replay]) -> Iterator[tuple[bytes, bytes]]:
    """Of each photo a small JPEG, and where the decoder looked, (words, regions) of a byte each; made when asked for.

    A photo that is gone or cannot be read has no bytes.
    """
    for path, replay in zip(paths, replays, strict=True):
        yield thumbnail(path), b"" if replay.attention is None else quantised(replay.attention[:-1]).tobytes()


def thumbnail(path: Path) -> bytes:
    file = BytesIO()
    try:
        image = read_thumbnail(path, _SIDE)
    except ImageError:  # it was there when its features were computed
        return b""
    image.save(file, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return file.getvalue()


def quantised(attention: np.ndarray) -> np.ndarray:
    """(words, regions) float -> uint8: of each word the region that is looked at most is 255."""
    most = attention.max(axis=1, keepdims=True, initial=np.finfo(np.float32).tiny)
    return np.round(255 * attention / most).astype(np.uint8)
