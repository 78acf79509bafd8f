"""The shape of the recurrent decoder."""

import math
from dataclasses import dataclass

from captioner.options.base import Options, require

DECODERS = ("rnn", "lstm", "gru")
_LEAST_HEAD_UNITS = 64
_MOST_UNITS = 65536  # whose recurrent kernel alone would have 17 billion numbers


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
        require(self.decoder in DECODERS, f"unknown decoder {self.decoder!r}; choose {', '.join(DECODERS)}")
        require(self.units >= 1, f"units must be at least 1, not {self.units}")
        require(self.embedding_dim >= 1, f"embedding-dim must be at least 1, not {self.embedding_dim}")
        for name, value in (("units", self.units), ("embedding-dim", self.embedding_dim), ("heads", self.heads)):
            require(value <= _MOST_UNITS, f"{name} must be at most {_MOST_UNITS}, not {value}")
        require(
            0 <= self.recurrent_dropout < 1,
            f"recurrent-dropout must be at least 0 and below 1, not {self.recurrent_dropout}",
        )
        require(self.heads >= 1, f"heads must be at least 1, not {self.heads}")
        require(0 <= self.dropout < 1, f"dropout must be at least 0 and below 1, not {self.dropout}")

    @property
    def num_heads(self) -> int:
        # narrower heads learn little, and LiteRT 2.3 gave wrong results for some LSTMs with heads of 4 units
        return math.gcd(self.heads, self.units, max(1, self.units // _LEAST_HEAD_UNITS))

    @classmethod
    def from_json(cls, values: dict) -> "NetworkOptions":
        """As written to a model folder; those that name no heads are from when there was one."""
        return super().from_json({"heads": 1} | values if isinstance(values, dict) else values)
