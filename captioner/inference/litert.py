"""The encoder and the decoder of a model, run by LiteRT from NumPy arrays. Any number of threads may call them."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from captioner.errors import ModelError
from captioner.inference.graphs import GraphPool
from captioner.quantization import Quantization

MAX_ENCODER_CALLS = 8  # at the same time; a graph takes some 40 MB
MAX_DECODER_CALLS = 8  # some 20 MB


class Encoder:
    """A pretrained CNN: photos in, features out.

    key: its name and the beginning of a hash, which feature caches are named by. The file is opened when something is
    asked of it; that raises ModelError when it cannot be opened, or is no encoder.
    """

    def __init__(self, path: Path, key: str, threads: int | None = None, is_shared: bool = False):
        """threads, is_shared: as of `GraphPool`. Raises: OptionsError for no threads."""
        self.key = key
        self._pool = GraphPool(path, threads, MAX_ENCODER_CALLS, is_shared)

    @classmethod
    def a_photo_a_core(cls, path: Path, key: str) -> "Encoder":
        """For many photos, from as many threads; open, so that the file is not needed any more.

        Raises: ModelError when the file cannot be opened, or is no encoder.
        """
        encoder = cls(path, key, is_shared=True)
        encoder._pool.open()
        encoder.check()
        return encoder

    def check(self) -> None:
        """Opens a graph, unless one was. Raises: ModelError when the file cannot be opened, or is no encoder."""
        self._signature  # noqa: B018

    @property
    def max_calls(self) -> int:
        """Calls that compute at the same time; others wait."""
        return self._pool.max_calls

    def sharing(self) -> AbstractContextManager[None]:
        """Inside, a photo has its share of the threads even where it is alone: others are about to come."""
        return self._pool.sharing()

    @property
    def signatures(self) -> dict[str, dict]:
        """What `encode` takes and gives."""
        return {"encode": _described(self._signature, self.num_regions)}

    @property
    def image_size(self) -> int:
        (image,) = self._signature["inputs"].values()
        return int(image["shape_signature"][1])

    @property
    def num_regions(self) -> int:
        return int(self._features["shape_signature"][1])

    @property
    def depth(self) -> int:
        return int(self._features["shape_signature"][2])

    @property
    def quantization(self) -> Quantization | None:
        """What the integers of `encode` stand for; None where the graph computes in float."""
        if self._features["dtype"] != np.int8:
            return None
        parameters = self._features["quantization_parameters"]
        (zero_point,) = set(parameters["zero_points"].tolist())
        return Quantization(np.broadcast_to(parameters["scales"], self.depth), zero_point)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """images: (photos, size, size, 3) uint8, 0-255, RGB -> (photos, regions, depth) float32."""
        features, quantization = self.encode(images), self.quantization
        return features if quantization is None else quantization.dequantize(features)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """As calling it, but the graph's own numbers: int8 where there is a `quantization`, else float32."""
        (features,) = self._pool.run(self._signature_name, image=images).values()
        return features

    @property
    def _signature_name(self) -> str:
        names = list(self._pool.signatures)
        if len(names) != 1:
            raise ModelError(f"{self._pool.path}: an encoder has one signature, this graph has not")
        return names[0]

    @property
    def _signature(self) -> dict[str, dict]:
        return self._pool.signatures[self._signature_name]

    @property
    def _features(self) -> dict:
        (features,) = self._signature["outputs"].values()
        return features


class Decoder:
    """The recurrent decoder: what a photo gives its captions, once; then step by step.

    The file is opened when something is asked of it; that raises ModelError when it cannot be opened, or lacks a
    signature.
    """

    def __init__(self, path: Path, threads: int | None = None):
        """threads: as of `GraphPool`. Raises: OptionsError for no threads."""
        self._pool = GraphPool(path, threads, MAX_DECODER_CALLS)

    def check(self) -> None:
        """Opens a graph, unless one was. Raises: ModelError when the file cannot be opened, or lacks a signature."""
        self._signature("step")

    @property
    def signatures(self) -> dict[str, dict]:
        """What `begin` and `step` take and give."""
        return {name: _described(self._signature(name), self.num_regions) for name in ("begin", "step")}

    @property
    def vocabulary_size(self) -> int:
        return int(self._signature("step")["outputs"]["log_probs"]["shape_signature"][-1])

    @property
    def num_regions(self) -> int:
        return int(self._signature("begin")["inputs"]["features"]["shape_signature"][1])

    @property
    def depth(self) -> int:
        return int(self._signature("begin")["inputs"]["features"]["shape_signature"][2])

    def begin(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """features: (photos, regions, depth) -> state (photos, width); keys, values (photos, regions, units)."""
        return self._pool.run("begin", features=np.asarray(features, np.float32))

    def step(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """token (photos, beams) int32, state (photos, beams, width), and what else `begin` gave
        -> log_probs (photos, beams, vocabulary), natural log; state; attention (photos, beams, regions).
        """
        return self._pool.run("step", **inputs)

    def _signature(self, name: str) -> dict[str, dict]:
        if not {"begin", "step"} <= self._pool.signatures.keys():
            raise ModelError(f"{self._pool.path}: lacks the signatures begin and step")
        return self._pool.signatures[name]


def _described(signature: dict[str, dict], num_regions: int) -> dict[str, dict]:
    """The arrays that a signature takes and gives: `{"inputs": {name: {"dtype", "shape"}}, "outputs": ...}`.

    Free axes go by name: the photos first, then the beams. A third one is the attention's: with several heads
    the graph does not say that it is as long as the photo has regions. An int8 array stands for real numbers, and has
    their `"quantization": {"scale", "zero_point"}` beside its dtype: real = scale * (integer - zero_point). Pixels are
    uint8 and integers by themselves.
    """

    def quantization(detail):
        if detail["dtype"] != np.int8:
            return {}
        (scale,), (zero_point,) = (detail["quantization_parameters"][key] for key in ("scales", "zero_points"))
        return {"quantization": {"scale": float(scale), "zero_point": int(zero_point)}}

    def named_axes(shape):
        free = iter(("photos", "beams", num_regions))
        return [int(length) if length >= 0 else next(free) for length in shape]

    return {
        side: {
            name: {"dtype": np.dtype(detail["dtype"]).name, "shape": named_axes(detail["shape_signature"])}
            | quantization(detail)
            for name, detail in arrays.items()
        }
        for side, arrays in signature.items()
    }
