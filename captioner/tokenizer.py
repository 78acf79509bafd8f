"""Text to ids and back: one set of rules for every language, and the vocabulary learned from captions."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import dropwhile, pairwise, takewhile
from pathlib import Path

from captioner.errors import ModelError
from captioner.files import write_text

SPECIAL_TOKENS = ("<pad>", "<start>", "<end>", "<unk>")
PAD_ID, START_ID, END_ID, UNK_ID = range(4)
RULES = 1  # counts up when the same text would give other tokens

FINAL_STOPS = frozenset(".。．۔।")
_SENTENCE_ENDS = FINAL_STOPS | frozenset("!?！？؟")

# Scripts written without spaces, their punctuation, and the full-width forms that follow their habits; not
# the Hangul letters in between, nor full-width letters and digits: those make words.
_UNSPACED = (
    r"[\u0e00-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # Thai, Lao, Tibetan, Myanmar; Khmer; Myanmar
    r"\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff"  # CJK punctuation, Kana, Bopomofo, Han
    r"\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # Kana, Han
    r"\ufe30-\ufe4f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f]"  # punctuation, half-width Katakana
)

# Every character has a kind, itself one character, so that a short pattern over kinds can find the tokens:
# w letter, s the letter s, h Hebrew letter, d digit, m combining mark, u character of an unspaced script,
# e symbol, k skin tone, r half a flag, t tag of a flag, p punctuation, j joiner, x dropped; others as seen.
_RANGES = ((0x5D0, 0x5F2, "h"), (0x1F1E6, 0x1F1FF, "r"), (0x1F3FB, 0x1F3FF, "k"), (0xE0020, 0xE007F, "t"))
_CHARS_OF_KIND = {"s": "sS", "'": "'’", "j": "\u200c\u200d", "p": "^`|~+=<>", ".": ".", '"': '"'} | {
    "-": "-\u2010\u2011\u05be\u05f3\u05f4",  # with the Hebrew maqaf, geresh and gershayim
    ",": ",\u066b\u066c",  # with the Arabic separators of decimals and thousands
}
_KIND_OF_CHAR = {char: kind for kind, chars in _CHARS_OF_KIND.items() for char in chars}
_BY_CATEGORY = {"L": "w", "N": "d", "M": "m", "P": "p", "Sc": "p", "Co": "p", "S": "e", "Cn": "e", "C": "x"}
_KIND_OF_UNSPACED = {"w": "u", "d": "u", "e": "p"}

_TOKEN_PATTERN = r"""
    [wshd] (?: [wshdm]+                 # a word,
      | (?: '(?!s(?![wshdm]))           # with apostrophes inside, but for the English clitic,
          | [-.] | (?<=d),(?=d)         # hyphens, full stops, commas of numbers inside,
          | (?<=[hm])"(?=h)             # quotes inside Hebrew acronyms,
        ) (?=[wshd])
      | j+(?=[wshdm]) )*                # and invisible joiners inside
  | 's(?![wshdm])
  | um* | rr?                           # a character of an unspaced script, a flag
  | [ek]m*k?m*t* (?: j[ek]m*k?m*t* )*   # an emoji with all that belongs to it
  | [p'",.-]m*
"""

# Whether the text before and after a token touches it.
_ALONE, _CLOSES, _OPENS, _JOINS = (False, False), (True, False), (False, True), (True, True)
_SIDES_OF_CATEGORY = {"Ps": _OPENS, "Pi": _OPENS, "Pe": _CLOSES, "Pf": _CLOSES, "Po": _CLOSES}
_SIDES_OF_CHAR = dict.fromkeys("¿¡#$£¥₩", _OPENS) | dict.fromkeys("~°", _CLOSES) | dict.fromkeys("/·", _JOINS)
_SIDES_OF_CHAR |= dict.fromkeys("&*@\\§¶†‡•※", _ALONE)
_CLOSERS_OF_QUOTE = dict(zip("\"'“‘„‚”«»", ['"', "'", "”", "’", "“”", "‘’", "”", "»", "«»"], strict=True))
_KEPT_TOGETHER = frozenset("-=*^_+<>|")  # when repeated: "--", "^^"


class _Kinds(dict):
    """Code point -> kind for `str.translate`, filled in as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        kind = _BY_CATEGORY.get(category, _BY_CATEGORY.get(category[0], " "))
        kind = next((kind for first, last, kind in _RANGES if first <= code <= last), kind)
        if re.match(_UNSPACED, char):
            kind = _KIND_OF_UNSPACED.get(kind, kind)
        self[code] = " " if char.isspace() else _KIND_OF_CHAR.get(char, kind)
        return self[code]


_kinds = _Kinds()


def split_text(text: str) -> list[str]:
    """The tokens of `text` in the order and case they were written, in Unicode NFC.

    Words stay whole where words are spaced; Han, Kana, Thai, Lao, Khmer, Myanmar and Tibetan give one token a
    character; punctuation marks and emoji are tokens of their own. Invisible characters are dropped.
    """
    text = unicodedata.normalize("NFC", text)
    kinds = text.translate(_kinds)
    if "x" in kinds:
        return split_text("".join(char for char, kind in zip(text, kinds, strict=True) if kind != "x"))
    return [text[match.start() : match.end()] for match in _token_pattern().finditer(kinds)]


def join_tokens(tokens: list[str]) -> str:
    """The text of `tokens`, spaced as a reader expects it."""
    pieces, previous, touches = [], "", True
    expected = []  # what would close the quotes that are open
    for place, token in enumerate(tokens):
        before, after = _sides(token[0])
        if expected and token in expected[-1]:
            expected.pop()
            before, after = _CLOSES
        elif token in _CLOSERS_OF_QUOTE and any(t in _CLOSERS_OF_QUOTE[token] for t in tokens[place + 1 :]):
            expected.append(_CLOSERS_OF_QUOTE[token])
            before, after = _OPENS
        if not (before or touches or (token == previous and token in _KEPT_TOGETHER)):
            pieces.append(" ")
        pieces.append(token)
        previous, touches = token, after
    return "".join(pieces)


class Tokenizer:
    """A vocabulary: what is learned from captions, written to a model folder, and needed to speak.

    tokens: one a id, as they are shown; the four special tokens first.
    """

    def __init__(self, tokens: Iterable[str], min_count: int | None = None):
        self.tokens = tuple(tokens)
        self.min_count = min_count
        self._ids = {token_key(token): id for id, token in enumerate(self.tokens) if id > UNK_ID}
        assert self.tokens[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
        assert len(self._ids) + len(SPECIAL_TOKENS) == len(self.tokens), "a token is there twice"

    @classmethod
    def learn(cls, captions: Iterable[str], min_count: int | None) -> "Tokenizer":
        """The tokenizer of all tokens that `captions`, read once, hold at least `min_count` times.

        None leaves the count to `suitable_min_count`.
        """
        forms = _count_forms(captions)
        if min_count is None:
            min_count = suitable_min_count([count for count, _ in forms.values()])
        frequent = {form: count for count, form in forms.values() if count >= min_count}
        tokens = sorted(frequent, key=lambda token: (-frequent[token], token))
        return cls(SPECIAL_TOKENS + tuple(tokens), min_count)

    def joined_by(self, other: "Tokenizer") -> "Tokenizer":
        """A tokenizer that keeps all ids of this one, followed by the tokens that only the other has."""
        new = (token for token in other.tokens[len(SPECIAL_TOKENS) :] if token_key(token) not in self._ids)
        return Tokenizer(self.tokens + tuple(new), other.min_count)

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """The tokenizer in a vocabulary file; Windows line ends and a byte order mark do no harm.

        Raises: ModelError if the file cannot be read, is not UTF-8, does not begin with the special tokens,
        or has a line that is not one token or repeats an earlier one.
        """
        tokens = _read_lines(path)
        tokens += [""] * (len(SPECIAL_TOKENS) - len(tokens))
        line_of_key = {}
        for line, token in enumerate(tokens, start=1):
            if line <= len(SPECIAL_TOKENS) and token != SPECIAL_TOKENS[line - 1]:
                raise ModelError(f"{path}, line {line}: expected {SPECIAL_TOKENS[line - 1]}, found {token!r}")
            if len(token.split()) != 1:
                raise ModelError(f"{path}, line {line}: expected one token, found {token!r}")
            first = line_of_key.setdefault(token_key(token), line)
            if first != line:
                raise ModelError(f"{path}, line {line}: {token!r} is there already, in line {first}")
        return cls(tokens)

    def save(self, path: str | Path) -> None:
        """Writes one token a line, or leaves what was there untouched.

        Raises: CaptionerError if the file cannot be written.
        """
        write_text(path, self.text)

    @property
    def text(self) -> str:
        """What a vocabulary file holds: one token a line."""
        return "".join(f"{token}\n" for token in self.tokens)

    @property
    def settings(self) -> dict[str, int]:
        """What a reader needs to know of how the vocabulary came about; goes into JSON."""
        return {"rules": RULES} | ({} if self.min_count is None else {"min_count": self.min_count})

    def __len__(self) -> int:
        return len(self.tokens)

    def id_of(self, token: str) -> int:
        """The id of a token in whatever case; UNK_ID if it is unknown."""
        return self._ids.get(token_key(token), UNK_ID)

    def encode(self, caption: str) -> list[int]:
        """The ids of a caption's tokens, without <start> and <end>, and without full stops at its end."""
        return [self.id_of(token) for token in caption_tokens(caption)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids` up to the first <end>; special tokens are left out."""
        spoken = takewhile(lambda id: id != END_ID, ids)
        return join_tokens([self.tokens[id] for id in spoken if id > UNK_ID])

    def decode_words(self, ids: Iterable[int]) -> list[str]:
        """The text of `ids`, none of them special, cut behind each token: a space goes with the token behind it."""
        tokens = [self.tokens[id] for id in ids]
        text, words, end = join_tokens(tokens), [], 0
        for token in tokens:
            start, end = end, text.index(token, end) + len(token)
            words.append(text[start:end])
        return words


@cache
def _token_pattern() -> re.Pattern[str]:
    return re.compile(_TOKEN_PATTERN, re.VERBOSE)


@cache
def _sides(char: str) -> tuple[bool, bool]:
    if re.match(_UNSPACED, char):
        return _JOINS
    return _SIDES_OF_CHAR.get(char, _SIDES_OF_CATEGORY.get(unicodedata.category(char), _ALONE))


def token_key(token: str) -> str:
    """What is the same for all forms of a token that have one id."""
    return unicodedata.normalize("NFC", token.lower())


def caption_tokens(caption: str) -> list[str]:
    """The tokens of a caption, in the case they were written, without full stops at its end."""
    tokens = split_text(caption)
    while tokens and tokens[-1] in FINAL_STOPS:
        tokens.pop()
    return tokens


def _count_forms(captions: Iterable[str]) -> dict[str, tuple[int, str]]:
    """By key how often each token is counted, and the case that it mostly has.

    The first word of a sentence says nothing about its case; without other evidence lower case is taken.
    """
    counts, inner_forms = Counter(), Counter()
    for caption in captions:
        tokens = caption_tokens(caption)
        counts.update(map(token_key, tokens))
        words = dropwhile(lambda token: not token[0].isalnum(), tokens)
        inner_forms.update(token for before, token in pairwise(words) if before not in _SENTENCE_ENDS)
    forms_of_key = defaultdict(list)
    for form, count in inner_forms.items():
        forms_of_key[token_key(form)].append((count, form))
    found = {}
    for key, count in counts.items():
        most = max(forms_of_key[key], default=(0, key))[0]
        best = [form for form_count, form in forms_of_key[key] if form_count == most]
        found[key] = count, best[0] if len(best) == 1 else key
    return found


# Up to so many tokens in all captions, the count that a token needs to be learned; beyond, the last one.
_MIN_COUNTS = ((10_000, 1), (50_000, 2), (200_000, 3), (math.inf, 5))
_MAX_LEARNED = 20_000  # tokens: each widens the largest matrix product of training and captioning


def suitable_min_count(counts: Sequence[int]) -> int:
    """How often a token should be seen to be learned, given how often each is seen in the train captions.

    From few captions every word is learned, from many those that are seen 5 times (the usual choice for Flickr8k and
    COCO), and never more than 20,000 words.
    """
    total = sum(counts)
    min_count = next(count for limit, count in _MIN_COUNTS if total < limit)
    if len(counts) > _MAX_LEARNED:
        ranked = sorted(counts, reverse=True)
        min_count = max(min_count, min(ranked[_MAX_LEARNED] + 1, ranked[0]))  # something is learned whatever comes
    return min_count


def _read_lines(path: str | Path) -> list[str]:
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ModelError(f"{path}, line {line}: not valid UTF-8") from error
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return text.removesuffix("\n").split("\n")
