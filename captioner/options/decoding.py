"""How the decoder searches for a caption."""

from dataclasses import dataclass

from captioner.options.base import Options, require

RULES = ("none", "english")
_MOST_BEAMS = 1000  # each is a row of the vocabulary, and far fewer find all there is to find
_MOST_WORDS = 1000  # a search that never meets the end goes on for so long
_LARGEST_EXPONENT = 10  # beyond, length alone decides, and powers of it are no numbers soon


@dataclass(frozen=True)
class DecodingOptions(Options):
    """How the decoder searches for a caption."""

    beam_size: int = 5
    num_candidates: int = 1  # captions returned for a photo, best first
    min_words: int = 1
    max_words: int = 20
    length_exponent: float = 0.7  # a caption's log-probability is divided by its tokens to this power
    rules: str = "none"  # of words: "english" names no thing twice and leaves no caption unfinished

    def __post_init__(self):
        require(1 <= self.beam_size <= _MOST_BEAMS, f"beam-size must be 1 to {_MOST_BEAMS}, not {self.beam_size}")
        require(self.num_candidates >= 1, f"candidates must be at least 1, not {self.num_candidates}")
        require(
            self.num_candidates <= self.beam_size,
            f"candidates must not be more than the beam size {self.beam_size}, not {self.num_candidates}",
        )
        require(self.min_words >= 0, f"min-words must be at least 0, not {self.min_words}")
        require(
            self.max_words >= max(1, self.min_words),
            f"max-words must be at least 1 and not below min-words {self.min_words}, not {self.max_words}",
        )
        require(self.max_words <= _MOST_WORDS, f"max-words must be at most {_MOST_WORDS}, not {self.max_words}")
        require(self.rules in RULES, f"unknown rules {self.rules!r}; choose {', '.join(RULES)}")
        exponent = self.length_exponent
        require(exponent >= 0, f"length-exponent must be at least 0, not {exponent}")
        require(exponent <= _LARGEST_EXPONENT, f"length-exponent must be at most {_LARGEST_EXPONENT}, not {exponent}")
