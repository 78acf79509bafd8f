"""Pretrained CNNs that turn a photo into a grid of features; importing this loads neither Keras nor NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import ModelError, OptionsError
from captioner.files import sha256_of

if TYPE_CHECKING:
    import keras

WEIGHTS_DIR = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class EncoderSpec:
    """What is known of an encoder before it is built.

    build: (spec, with_imagenet_weights) -> model, image (batch, image_size, image_size, 3) uint8
        -> features (batch, num_regions, depth) float32
    weights_file: the shipped weights inside `WEIGHTS_DIR`; None where they are downloaded
    top_1: published ImageNet accuracy, a fraction
    """

    name: str
    image_size: int
    num_regions: int
    depth: int
    build: Callable[[EncoderSpec, bool], keras.Model]
    weights_file: str | None
    licence: str
    top_1: float

    @property
    def weights_path(self) -> Path | None:
        return None if self.weights_file is None else WEIGHTS_DIR / self.weights_file

    @property
    def tflite_path(self) -> Path | None:
        """The same weights, exported for LiteRT: signature `image` -> `features`."""
        return None if self.weights_path is None else self.weights_path.with_suffix(".tflite")


def _build_efficientnet_lite(spec: EncoderSpec, with_imagenet_weights: bool) -> keras.Model:
    from captioner.encoders import efficientnet_lite, weights_file

    model = efficientnet_lite.efficientnet_lite(spec.name)
    if with_imagenet_weights:
        weights_file.assign_weights(model, weights_file.read_weights(spec.weights_path))
    return model


ENCODERS: dict[str, EncoderSpec] = {
    "efficientnet-lite2": EncoderSpec(
        name="efficientnet-lite2",
        image_size=260,
        num_regions=81,  # 9 x 9
        depth=1280,
        build=_build_efficientnet_lite,
        weights_file="efficientnet-lite2.npz",
        licence="Apache-2.0",
        top_1=0.776,
    ),
}


def encoder_spec(name: str) -> EncoderSpec:
    """The encoder's entry in `ENCODERS`.

    Raises:
        OptionsError: no encoder has that name.
    """
    if name not in ENCODERS:
        raise OptionsError(f"unknown encoder {name!r}; choose {', '.join(ENCODERS)}")
    return ENCODERS[name]


def build_encoder(name: str, weights: str | None = "imagenet") -> keras.Model:
    """The Keras model: image (batch, S, S, 3) uint8, RGB 0-255 -> features (batch, regions, depth) float32.

    Pixels are scaled inside the graph. `weights=None` leaves the weights drawn at random.

    Raises:
        OptionsError: the name or `weights` is not among those accepted.
        ModelError: the shipped weights are missing or do not fit.
    """
    spec = encoder_spec(name)
    if weights not in ("imagenet", None):
        raise OptionsError(f"unknown encoder weights {weights!r}; choose 'imagenet' or None")
    return spec.build(spec, weights == "imagenet")


def weights_sha256(name: str) -> str:
    """The SHA-256 of the encoder's shipped weights file, in hexadecimal.

    Raises:
        OptionsError: no encoder has that name, or it ships no weights.
        ModelError: the file cannot be read.
    """
    path = encoder_spec(name).weights_path
    if path is None:
        raise OptionsError(f"encoder {name!r} ships no weights file to hash")
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(f"cannot read the weights of {name}: {path}: {error.strerror}") from error


def encoder_key(name: str) -> str:
    """The encoder's name and the beginning of its weights' hash: what feature caches are named by.

    Raises: as `weights_sha256`.
    """
    return f"{name}-{weights_sha256(name)[:12]}"
