"""Make the shipped encoders in integers, from the shipped weights and the train photos of a dataset.

    python scripts/quantize_encoders.py everyday/captions.csv WORK_DIR --images everyday/images

Leaves WORK_DIR/NAME.int8.tflite for each encoder that is shipped so. All end in a projection onto 512 channels. That of
`efficientnet-lite2-320` is learned: first the encoder is written with 1,024 principal components, a decoder learns to
caption from those, and its value projection (1,024 to 512) becomes, with the components, the end of the encoder. The
other's are the principal components themselves. `scripts/encoder_in_integers.md` says what each choice is worth.
Called again, it goes on where it stopped.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np

from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.decoder_weights import whole_decoder_weights
from captioner.encoders import ENCODERS, build_encoder, graph_key
from captioner.encoders.exported import readable
from captioner.encoders.integer_graph import (
    NUM_CALIBRATION_PHOTOS,
    NUM_CHANNELS,
    NUM_PROJECTION_PHOTOS,
    draw_photos,
    export_integer_encoder,
    features_of,
)
from captioner.encoders.projection import Projection, fit_projection, project
from captioner.errors import CaptionerError
from captioner.inference import Encoder
from captioner.model_folder import EncoderInfo
from captioner.options import DecodingOptions, NetworkOptions, PrepareOptions, TrainingOptions
from captioner.training import Listener, Run, train

SEED = 0
LEARNED = "efficientnet-lite2-320"
NUM_WIDE_CHANNELS = 1024
NUM_LEARNING_PHOTOS = 24_000
TRAINING = TrainingOptions(epochs=3, batch_size=32, learning_rate=1e-3, flipped_share=0.0, seed=SEED)
VALUE_KERNEL, VALUE_BIAS = "layers/dense/vars/0", "layers/dense/vars/1"


def quantize(source: NamedSource, work_dir: Path) -> None:
    train_paths = [source.images_dir / each.image for each in source.annotations.examples if each.split == "train"]
    drawn = draw_photos(train_paths, NUM_PROJECTION_PHOTOS, SEED)
    for spec in ENCODERS.values():
        path = work_dir / f"{spec.name}.int8.tflite"
        if "int8" not in spec.graph_files or path.exists():
            continue
        encoder = build_encoder(spec.name)
        if spec.name == LEARNED:
            projection = learn_projection(encoder, drawn, source, work_dir)
        else:
            projection = fit_projection(features_of(encoder, readable(drawn, spec.image_size)), NUM_CHANNELS)
        export(project(encoder, projection), drawn, path)


def export(encoder: keras.Model, drawn: list[Path], path: Path) -> None:
    size = encoder.input_shape[1]
    export_integer_encoder(encoder, readable(drawn[:NUM_CALIBRATION_PHOTOS], size), path)
    print(path, f"{path.stat().st_size / 1e6:.2f} MB", *encoder.output.shape[1:])


def learn_projection(encoder: keras.Model, drawn: list[Path], source: NamedSource, work_dir: Path) -> Projection:
    """What a decoder makes of the first principal components, before its activation."""
    wide_path = work_dir / "wide.int8.tflite"
    features = features_of(encoder, readable(drawn, encoder.input_shape[1]))
    components = fit_projection(features, NUM_WIDE_CHANNELS, spread=1)
    if not wide_path.exists():
        export(project(encoder, components), drawn, wide_path)
    key = graph_key(LEARNED, wide_path)
    few = replace(source, annotations=_drawn_annotations(source.annotations))
    wide = Encoder.a_photo_a_core(wide_path, key)
    dataset = prepare([few], work_dir / "data", PrepareOptions(), lambda photos: wide, threads=wide.max_calls)
    info = EncoderInfo(LEARNED, key, wide.image_size, wide.num_regions, wide.depth, "int8")
    run = Run(dataset, work_dir / "decoder", info, wide_path, NetworkOptions(), TRAINING, DecodingOptions())
    model = train(run, True, Listener(print))
    with whole_decoder_weights(model.path) as path, h5py.File(path) as file:
        kernel, bias = (file[name][()].astype(np.float32) for name in (VALUE_KERNEL, VALUE_BIAS))
    return Projection(components.kernel @ kernel, components.bias @ kernel + bias)


def _drawn_annotations(annotations):
    """Those of all photos but train photos, and of some of these."""
    train_names = [Path(each.image) for each in annotations.examples if each.split == "train"]
    drawn = {str(path) for path in draw_photos(train_names, NUM_LEARNING_PHOTOS, SEED)}
    examples = [each for each in annotations.examples if each.split != "train" or each.image in drawn]
    return replace(annotations, examples=examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a dataset with a train and a dev split")
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("--images", type=Path, metavar="DIR", help="its photo folder")
    arguments = parser.parse_args()
    arguments.work_dir.mkdir(parents=True, exist_ok=True)
    try:
        annotations = read_annotations(arguments.source, images_dir=arguments.images)
        quantize(NamedSource(arguments.source.stem, arguments.source, *annotations), arguments.work_dir)
    except CaptionerError as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
