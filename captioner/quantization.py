"""Integers that stand for real numbers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Quantization:
    """real = scale * (integer - zero_point), with a scale per channel (Jacob et al. 2018, arXiv 1712.05877, eq. 1).

    scale: (channels,) float32, above 0; zero_point: -128 to 127. The integers are int8.
    """

    scale: np.ndarray
    zero_point: int = 0

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, Quantization)
            and self.zero_point == other.zero_point
            and np.array_equal(self.scale, other.scale)
        )

    def dequantize(self, integers: np.ndarray) -> np.ndarray:
        """integers: (..., channels) int8 -> (..., channels) float32."""
        real = integers.astype(np.float32)
        real -= self.zero_point
        real *= self.scale
        return real

    def to_json(self) -> dict:
        return {"scale": [float(scale) for scale in self.scale], "zero_point": self.zero_point}

    @classmethod
    def from_json(cls, values: dict) -> "Quantization":
        """Raises: KeyError, TypeError, ValueError when the values are not those of `to_json`."""
        return cls(np.array(values["scale"], np.float32), int(values["zero_point"]))
