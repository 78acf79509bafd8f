"""How a source becomes a prepared dataset."""

import math
from dataclasses import dataclass

from captioner.options.base import Options, require

ENCODER_PRECISIONS = ("int8", "float")


@dataclass(frozen=True)
class PrepareOptions(Options):
    """How a source becomes a prepared dataset."""

    format: str = "auto"
    encoder: str = "efficientnet-lite2-320"
    encoder_precision: str = "int8"  # of the encoder's arithmetic, and of the features that are kept
    min_count: int | None = None  # times a word is seen in the train captions to be learned; None suits their number
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)  # train, dev, test, where the source has none
    seed: int = 0
    image_column: str = ""  # of a table, or field of JSON; "" means the usual names
    caption_column: tuple[str, ...] = ()  # several where each holds one of a photo's captions
    allow_split_leaks: bool = False  # whether a photo, by content, may be in two splits

    def __post_init__(self):
        require(
            self.encoder_precision in ENCODER_PRECISIONS,
            f"unknown encoder precision {self.encoder_precision!r}; choose {' or '.join(ENCODER_PRECISIONS)}",
        )
        require(self.min_count is None or self.min_count >= 1, f"min-count must be at least 1, not {self.min_count}")
        require(
            len(self.split) == 3 and all(0 <= share < math.inf for share in self.split) and sum(self.split) > 0,
            "split must be three shares for train, dev and test, such as 0.8,0.1,0.1,"
            f" not {','.join(map(str, self.split))}",
        )
        require(self.split[0] > 0, "split must leave photos to train on: its first share is 0")
