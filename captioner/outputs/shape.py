"""The caption's last shape: what stands before and behind it, and how long it may be."""

from collections.abc import Iterator
from dataclasses import replace

from captioner.inference import Caption
from captioner.options import ShapeOptions
from captioner.tokenizer import split_text

ALT_TEXT_CHARS = 125  # what screen readers are said to read in one go


def shaped(caption: Caption, options: ShapeOptions, max_chars: int | None = None) -> Caption:
    """The caption and its candidates as they are to be written, marked where it is doubtful.

    max_chars: where the options name no length.
    """
    longest = max_chars if options.max_chars is None else options.max_chars

    def finished(each: Caption) -> Caption:
        return replace(each, text=shaped_text(each.text, options.prefix, options.suffix, longest))

    candidates = tuple(map(finished, caption.candidates))
    is_low = caption.low_confidence if options.min_confidence is None else caption.confidence < options.min_confidence
    return replace(finished(caption), candidates=candidates, low_confidence=is_low)


def shaped_text(text: str, prefix: str = "", suffix: str = "", max_chars: int | None = None) -> str:
    """Cut at the end of a word so that the whole has at most so many characters, but never before the first one."""
    if max_chars is not None:
        room = max_chars - len(prefix) - len(suffix)
        if len(text) > room:
            ends = list(_word_ends(text))
            text = text[: max((end for end in ends if end <= room), default=ends[0] if ends else len(text))]
    return f"{prefix}{text}{suffix}"


def _word_ends(text: str) -> Iterator[int]:
    """Where the text may be cut: behind a word, or a character of a script without spaces."""
    end = 0
    for token in split_text(text):
        start = text.find(token, end)
        if start >= 0:
            end = start + len(token)
            if any(char.isalnum() for char in token):  # never behind an opening bracket or a lone comma
                yield end
