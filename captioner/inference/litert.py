"""The encoder and the decoder of a model, run by LiteRT from NumPy arrays."""

import os
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from captioner.errors import ModelError, OptionsError
from captioner.quantization import Quantization

MOST_COPIES = 8  # of an encoder, some 40 MB each


def default_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_graph(path: Path, threads: int | None):
    from ai_edge_litert.interpreter import Interpreter

    threads = default_threads() if threads is None else threads
    if threads < 1:
        raise OptionsError(f"threads must be at least 1, not {threads}")
    try:
        graph = Interpreter(model_path=str(path), num_threads=threads)
        graph.allocate_tensors()
        return graph
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: not a LiteRT model that can be opened ({reason})") from error


def _describe(run, num_regions: int) -> dict[str, dict]:
    """The arrays that a signature takes and gives: `{"inputs": {name: {"dtype", "shape"}}, "outputs": ...}`.

    Free axes go by name: the photos first, then the beams. A third one is the attention's: with several heads
    the graph does not say that it is as long as the photo has regions. An int8 array stands for real numbers, and has
    their `"quantization": {"scale", "zero_point"}` beside its dtype: real = scale * (integer - zero_point). Pixels are
    uint8 and integers by themselves.
    """

    def described(details):
        return {
            name: {"dtype": np.dtype(detail["dtype"]).name, "shape": named_axes(detail["shape_signature"])}
            | quantization(detail)
            for name, detail in details.items()
        }

    def quantization(detail):
        if detail["dtype"] != np.int8:
            return {}
        (scale,), (zero_point,) = (detail["quantization_parameters"][key] for key in ("scales", "zero_points"))
        return {"quantization": {"scale": float(scale), "zero_point": int(zero_point)}}

    def named_axes(shape):
        free = iter(("photos", "beams", num_regions))
        return [int(length) if length >= 0 else next(free) for length in shape]

    return {"inputs": described(run.get_input_details()), "outputs": described(run.get_output_details())}


class Encoder:
    """A pretrained CNN: photos in, features out; several threads may call it.

    key: its name and the beginning of a hash, which feature caches are named by. quantization: what the integers of
    `encode` stand for; None where the graph computes in float.
    """

    def __init__(self, path: Path, key: str, threads: int | None = None, copies: int = 1):
        """threads: that share the work of one call, all cores by default. copies: calls that run at the same time.

        Raises: ModelError when the file cannot be opened, or is no encoder.
        """
        self.key, self.copies = key, copies
        self._graphs = [_open_graph(path, threads) for _ in range(copies)]
        try:
            runs = [graph.get_signature_runner() for graph in self._graphs]
        except ValueError as error:
            raise ModelError(f"{path}: an encoder has one signature, this graph has not") from error
        (image,) = runs[0].get_input_details().values()
        (features,) = runs[0].get_output_details().values()
        self.image_size = int(image["shape_signature"][1])
        self.num_regions, self.depth = (int(n) for n in features["shape_signature"][1:])
        self.quantization = _quantization_of(features, self.depth)
        self._idle = SimpleQueue()  # a graph holds one call's arrays, so no two calls may share one
        for run in runs:
            self._idle.put(run)

    @classmethod
    def a_photo_a_core(cls, path: Path, key: str) -> "Encoder":
        """For many photos, from as many threads: with all cores on one photo, each waits for the others."""
        copies = min(default_threads(), MOST_COPIES)
        return cls(path, key, threads=default_threads() // copies, copies=copies)

    @property
    def signatures(self) -> dict[str, dict]:
        """What `encode` takes and gives."""
        return {"encode": _describe(self._graphs[0].get_signature_runner(), self.num_regions)}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """images: (photos, size, size, 3) uint8, 0-255, RGB -> (photos, regions, depth) float32."""
        features = self.encode(images)
        return features if self.quantization is None else self.quantization.dequantize(features)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """As calling it, but the graph's own numbers: int8 where there is a `quantization`, else float32."""
        run = self._idle.get()
        try:
            (features,) = run(image=images).values()
            return features
        finally:
            self._idle.put(run)


def _quantization_of(features: dict, depth: int) -> Quantization | None:
    if features["dtype"] != np.int8:
        return None
    parameters = features["quantization_parameters"]
    (zero_point,) = set(parameters["zero_points"].tolist())
    return Quantization(np.broadcast_to(parameters["scales"], depth), zero_point)


class Decoder:
    """The recurrent decoder: what a photo gives its captions, once; then step by step."""

    def __init__(self, path: Path, threads: int | None = None):
        """Raises: ModelError when the file cannot be opened or lacks a signature."""
        self._graph = _open_graph(path, threads)
        try:
            self._begin = self._graph.get_signature_runner("begin")
            self._step = self._graph.get_signature_runner("step")
        except ValueError as error:
            raise ModelError(f"{path}: lacks the signatures begin and step") from error
        self.vocabulary_size = int(self._step.get_output_details()["log_probs"]["shape_signature"][-1])
        self.num_regions, self.depth = (
            int(n) for n in self._begin.get_input_details()["features"]["shape_signature"][1:]
        )

    @property
    def signatures(self) -> dict[str, dict]:
        """What `begin` and `step` take and give."""
        runs = {"begin": self._begin, "step": self._step}
        return {name: _describe(run, self.num_regions) for name, run in runs.items()}

    def begin(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """features: (photos, regions, depth) -> state (photos, width); keys, values (photos, regions, units)."""
        return self._begin(features=np.asarray(features, np.float32))

    def step(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """token (photos, beams) int32, state (photos, beams, width), and what else `begin` gave
        -> log_probs (photos, beams, vocabulary), natural log; state; attention (photos, beams, regions).
        """
        return self._step(**inputs)
