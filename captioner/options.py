"""Every set of options as a frozen dataclass: defaults, checks when made, JSON both ways."""

import dataclasses
import math
from dataclasses import dataclass
from typing import get_origin

from captioner.errors import OptionsError

PRECISIONS = ("auto", "bfloat16", "float32")
DECODERS = ("rnn", "lstm", "gru")
SPLITS = ("train", "dev", "test")
_LEAST_HEAD_UNITS = 64


def _require(condition, message):
    if not condition:
        raise OptionsError(message)


def _check_kind(field: dataclasses.Field, value) -> None:
    if get_origin(field.type) is tuple:
        fits = isinstance(value, list | tuple) and all(_is_a(float, item) for item in value)
        _require(fits, f"{field.name} must be a list of numbers, not {value!r}")
    else:
        _require(_is_a(field.type, value), f"{field.name} must be of type {field.type.__name__}, not {value!r}")


def _is_a(kind: type, value) -> bool:
    """Whether the value is of that kind as JSON sees it: 1 is a float, too, and True no number."""
    return isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (kind is bool)


class Options:
    """What the option sets share: plain JSON out, checked JSON in."""

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict):
        """Raises: OptionsError when a name is unknown, or a value is of the wrong kind or fails its check."""
        _require(isinstance(values, dict), f"options must be a JSON object, not {values!r}")
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        _require(not unknown, f"unknown options {unknown}; known are {sorted(names)}")
        for field in dataclasses.fields(cls):
            if field.name in values:
                _check_kind(field, values[field.name])
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


@dataclass(frozen=True)
class PrepareOptions(Options):
    """How a source becomes a prepared dataset."""

    format: str = "auto"
    encoder: str = "efficientnet-lite2-320"
    min_count: int = 5  # times a word must be seen in the train captions to enter the vocabulary
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)  # train, dev, test, where the source has none
    seed: int = 0
    image_column: str = ""  # of a table, or field of JSON; "" means the usual names
    caption_column: str = ""
    allow_split_leaks: bool = False  # whether a photo, by content, may be in two splits

    def __post_init__(self):
        _require(self.min_count >= 1, f"min-count must be at least 1, not {self.min_count}")
        _require(
            len(self.split) == 3 and all(0 <= share < math.inf for share in self.split) and sum(self.split) > 0,
            "split must be three shares for train, dev and test, such as 0.8,0.1,0.1,"
            f" not {','.join(map(str, self.split))}",
        )
        _require(self.split[0] > 0, "split must leave photos to train on: its first share is 0")


@dataclass(frozen=True)
class NetworkOptions(Options):
    """The shape of the recurrent decoder."""

    decoder: str = "lstm"
    attention: bool = True
    units: int = 512  # width of the recurrent state, of keys and of values
    embedding_dim: int = 256
    dropout: float = 0.5  # share dropped, of embeddings, of image values and before the output
    recurrent_dropout: float = 0.3  # share of the recurrent kernel's weights that are dropped
    heads: int = 8  # of the attention, at most: each has 64 units or more

    def __post_init__(self):
        _require(self.decoder in DECODERS, f"unknown decoder {self.decoder!r}; choose {', '.join(DECODERS)}")
        _require(self.units >= 1, f"units must be at least 1, not {self.units}")
        _require(self.embedding_dim >= 1, f"embedding-dim must be at least 1, not {self.embedding_dim}")
        _require(
            0 <= self.recurrent_dropout < 1,
            f"recurrent-dropout must be at least 0 and below 1, not {self.recurrent_dropout}",
        )
        _require(self.heads >= 1, f"heads must be at least 1, not {self.heads}")
        _require(0 <= self.dropout < 1, f"dropout must be at least 0 and below 1, not {self.dropout}")

    @property
    def num_heads(self) -> int:
        # narrower heads learn little, and LiteRT 2.3 gave wrong results for some LSTMs with heads of 4 units
        return math.gcd(self.heads, self.units, max(1, self.units // _LEAST_HEAD_UNITS))

    @classmethod
    def from_json(cls, values: dict) -> "NetworkOptions":
        """As written to a model folder; those that name no heads are from when there was one."""
        return super().from_json({"heads": 1} | values if isinstance(values, dict) else values)


@dataclass(frozen=True)
class TrainingOptions(Options):
    """How the decoder learns by teacher forcing."""

    epochs: int = 14
    batch_size: int = 16  # photos a step, each with all its captions
    learning_rate: float = 6e-4  # peak, after the warm-up
    warmup_steps: int = 200
    label_smoothing: float = 0.1
    clip_norm: float = 5.0
    ema_decay: float = 0.999  # of the averaged weights, which are the ones that are kept
    word_dropout: float = 0.1  # share of the words fed in that are replaced by <unk>
    flipped_share: float = 0.5  # of the photos whose captions can be said of them in a mirror: so many are, each time
    crops: int = 0  # random crops of every photo that are kept beside it, and seen in its place half of the time
    max_tokens: int = 24  # a training caption is cut after so many tokens, the end included
    precision: str = "float32"  # of the products; "auto" is bfloat16 where the processor has it
    patience: int = 5  # epochs without a better dev CIDEr before training stops
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            _require(value >= 1, f"{name.replace('_', '-')} must be at least 1, not {value}")
        _require(0 < self.learning_rate < math.inf, f"learning-rate must be above 0, not {self.learning_rate}")
        _require(
            0 <= self.label_smoothing < 1,
            f"label-smoothing must be at least 0 and below 1, not {self.label_smoothing}",
        )
        _require(self.precision in PRECISIONS, f"unknown precision {self.precision!r}; choose {', '.join(PRECISIONS)}")
        _require(0 <= self.word_dropout < 1, f"word-dropout must be at least 0 and below 1, not {self.word_dropout}")
        _require(0 <= self.ema_decay < 1, f"ema-decay must be at least 0 and below 1, not {self.ema_decay}")
        _require(0 <= self.flipped_share <= 1, f"flipped-share must be from 0 to 1, not {self.flipped_share}")
        _require(0 <= self.crops <= 100, f"crops must be at least 0 and at most 100, not {self.crops}")
        _require(self.max_tokens >= 2, f"max-tokens must be at least 2, not {self.max_tokens}")
        _require(self.warmup_steps >= 0, f"warmup-steps must be at least 0, not {self.warmup_steps}")
        _require(self.clip_norm > 0, f"clip-norm must be above 0, not {self.clip_norm}")
        _require(0 <= self.seed < 2**32, f"seed must be at least 0 and below 2 to the 32, not {self.seed}")


@dataclass(frozen=True)
class FineTuningOptions(Options):
    """How the last blocks of the encoder learn with a decoder that has settled; the rest is as in `TrainingOptions`."""

    epochs: int = 4
    learning_rate: float = 3e-5  # peak, of the encoder
    decoder_learning_rate: float = 1e-4  # peak

    def __post_init__(self):
        _require(self.epochs >= 1, f"fine-tune-epochs must be at least 1, not {self.epochs}")
        _require(
            0 < self.learning_rate < math.inf, f"fine-tune-learning-rate must be above 0, not {self.learning_rate}"
        )
        _require(
            0 < self.decoder_learning_rate < math.inf,
            f"learning-rate must be above 0, not {self.decoder_learning_rate}",
        )


@dataclass(frozen=True)
class SelfCriticalOptions(Options):
    """How a network that has settled learns from the scores of what it says; the rest is as in `TrainingOptions`."""

    epochs: int = 5
    learning_rate: float = 5e-5  # peak, of the decoder
    samples: int = 5  # captions drawn for a photo, each compared with the mean of the others
    cross_entropy_share: float = 0.1  # of the loss; the rest is the reward's

    def __post_init__(self):
        _require(self.epochs >= 1, f"self-critical-epochs must be at least 1, not {self.epochs}")
        _require(0 < self.learning_rate < math.inf, f"learning-rate must be above 0, not {self.learning_rate}")
        _require(self.samples >= 2, f"samples must be at least 2, not {self.samples}")
        _require(
            0 <= self.cross_entropy_share < 1,
            f"cross-entropy-share must be at least 0 and below 1, not {self.cross_entropy_share}",
        )


@dataclass(frozen=True)
class DecodingOptions(Options):
    """How the decoder searches for a caption."""

    beam_size: int = 5
    num_candidates: int = 1  # captions returned for a photo, best first
    min_words: int = 1
    max_words: int = 20
    length_exponent: float = 0.7  # a caption's log-probability is divided by its tokens to this power

    def __post_init__(self):
        _require(self.beam_size >= 1, f"beam-size must be at least 1, not {self.beam_size}")
        _require(self.num_candidates >= 1, f"candidates must be at least 1, not {self.num_candidates}")
        _require(
            self.num_candidates <= self.beam_size,
            f"candidates must not be more than the beam size {self.beam_size}, not {self.num_candidates}",
        )
        _require(self.min_words >= 0, f"min-words must be at least 0, not {self.min_words}")
        _require(
            self.max_words >= max(1, self.min_words),
            f"max-words must be at least 1 and not below min-words {self.min_words}, not {self.max_words}",
        )
        _require(
            0 <= self.length_exponent < math.inf, f"length-exponent must be at least 0, not {self.length_exponent}"
        )


@dataclass(frozen=True)
class BootstrapOptions(Options):
    """How photos are drawn again to see how far chance reaches."""

    resamples: int = 1000
    seed: int = 0

    def __post_init__(self):
        _require(
            100 <= self.resamples <= 100_000, f"resamples must be at least 100 and at most 100000, not {self.resamples}"
        )
        _require(0 <= self.seed < 2**32, f"seed must be at least 0 and below 2 to the 32, not {self.seed}")
