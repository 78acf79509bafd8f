"""How a network learns."""

import math
from dataclasses import dataclass

from captioner.options.base import Options, require

PRECISIONS = ("auto", "bfloat16", "float32")


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
    photo_evenness: float = 0.0  # a caption of a photo that has n weighs n to the power of minus this
    max_tokens: int = 24  # a training caption is cut after so many tokens, the end included
    precision: str = "float32"  # of the products; "auto" is bfloat16 where the processor has it
    patience: int = 5  # epochs without a better dev loss or dev CIDEr-D before training stops
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            require(value >= 1, f"{name.replace('_', '-')} must be at least 1, not {value}")
        require(0 < self.learning_rate < math.inf, f"learning-rate must be above 0, not {self.learning_rate}")
        require(
            0 <= self.label_smoothing < 1,
            f"label-smoothing must be at least 0 and below 1, not {self.label_smoothing}",
        )
        require(self.precision in PRECISIONS, f"unknown precision {self.precision!r}; choose {', '.join(PRECISIONS)}")
        require(0 <= self.word_dropout < 1, f"word-dropout must be at least 0 and below 1, not {self.word_dropout}")
        require(0 <= self.ema_decay < 1, f"ema-decay must be at least 0 and below 1, not {self.ema_decay}")
        require(0 <= self.flipped_share <= 1, f"flipped-share must be from 0 to 1, not {self.flipped_share}")
        require(0 <= self.crops <= 100, f"crops must be at least 0 and at most 100, not {self.crops}")
        require(0 <= self.photo_evenness <= 1, f"photo-evenness must be from 0 to 1, not {self.photo_evenness}")
        require(self.max_tokens >= 2, f"max-tokens must be at least 2, not {self.max_tokens}")
        require(self.warmup_steps >= 0, f"warmup-steps must be at least 0, not {self.warmup_steps}")
        require(self.clip_norm > 0, f"clip-norm must be above 0, not {self.clip_norm}")
        require(0 <= self.seed < 2**32, f"seed must be at least 0 and below 2 to the 32, not {self.seed}")


@dataclass(frozen=True)
class FineTuningOptions(Options):
    """How the last blocks of the encoder learn with a decoder that has settled; the rest is as in `TrainingOptions`."""

    epochs: int = 4
    learning_rate: float = 3e-5  # peak, of the encoder
    decoder_learning_rate: float = 1e-4  # peak

    def __post_init__(self):
        require(self.epochs >= 1, f"fine-tune-epochs must be at least 1, not {self.epochs}")
        require(0 < self.learning_rate < math.inf, f"fine-tune-learning-rate must be above 0, not {self.learning_rate}")
        require(
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
        require(self.epochs >= 1, f"self-critical-epochs must be at least 1, not {self.epochs}")
        require(0 < self.learning_rate < math.inf, f"learning-rate must be above 0, not {self.learning_rate}")
        require(self.samples >= 2, f"samples must be at least 2, not {self.samples}")
        require(
            0 <= self.cross_entropy_share < 1,
            f"cross-entropy-share must be at least 0 and below 1, not {self.cross_entropy_share}",
        )


@dataclass(frozen=True)
class SettlingOptions(Options):
    """How a decoder gets used to what its encoder gives in integers, once that has learned in float."""

    epochs: int = 4
    learning_rate: float = 1e-4  # peak
    patience: int = 1  # epochs without a better dev score before it stops

    def __post_init__(self):
        require(self.epochs >= 1, f"settling epochs must be at least 1, not {self.epochs}")
        require(self.patience >= 1, f"settling patience must be at least 1, not {self.patience}")
        require(0 < self.learning_rate < math.inf, f"settling learning-rate must be above 0, not {self.learning_rate}")
