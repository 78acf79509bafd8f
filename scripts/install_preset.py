"""Puts a trained model folder into the package as a shipped preset, with its licence and its fuller card.

python scripts/install_preset.py runs/lstm flickr8k data/flickr8k
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import captioner
from captioner import Captioner
from captioner.datasets import Dataset
from captioner.encoders import encoder_key, encoder_spec
from captioner.evaluation import caption_examples, score_examples
from captioner.files import sha256_of, write_json, write_text
from captioner.model_folder import ENCODER_GRAPH, FILES, MODEL_CARD, TRAINING_RECORD, ModelFolder, seal
from captioner.options import DecodingOptions
from captioner.training.model_card import model_card

LICENCE = "Apache-2.0; learned from Flickr8k, whose terms are non-commercial"
NOTES = """
## Licence

The code and the encoder's ImageNet weights (EfficientNet-Lite, TensorFlow TPU repository) are under Apache-2.0. The
decoder learned from the captions of Flickr8k (M. Hodosh, P. Young, J. Hockenmaier, "Framing Image Description as a
Ranking Task", JAIR 47, 2013), which is given for non-commercial research and education: use this model accordingly,
or train one on captions of your own.

## Intended use

Drafts of alternative text and searchable captions for everyday photos, and a model to learn from. Someone should
read a caption before it is published.

## Limits

It knows the world of Flickr8k: people and dogs, outdoors, doing things. It speaks of what it knows: animals it has
hardly met become dogs, indoor scenes and objects without people are often misnamed, counts above three and colours
of small things are unreliable, and it guesses the sex and age of people from little. It reads no text, knows no
names and no places. Its confidence is a mean probability of words, not a promise of being right.
"""


def install(run_dir: Path, name: str, data_dir: Path) -> Path:
    """The preset's folder: the run's weights, today's default search, and what both score on dev."""
    folder = under_todays_key(ModelFolder.open(run_dir))
    preset_dir = Path(captioner.__file__).parent / "presets" / name
    preset_dir.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        shutil.copyfile(run_dir / file, preset_dir / file)
    decoding = DecodingOptions()
    record = folder.training | {
        "licence": LICENCE,
        "decoding": decoding.to_json(),
        "encoder": vars(folder.encoder),
    }
    _seal(preset_dir, name, folder, decoding, record)
    dataset = Dataset.open(data_dir)
    examples = dataset.split("dev")
    captions = caption_examples(Captioner.load(preset_dir), dataset, examples, decoding)
    texts = [caption.text for caption in captions]
    record["dev_scores"] = score_examples(examples, texts) | {
        "beam_size": decoding.beam_size,
        "num_distinct_captions": len(set(texts)),
    }
    _seal(preset_dir, name, folder, decoding, record)
    return preset_dir


def under_todays_key(folder: ModelFolder) -> ModelFolder:
    """The folder; if its encoder is the shipped one to the byte, under the key that one has by now.

    A run keeps the key of its day, but features are prepared, and looked for, under today's.
    """
    spec = encoder_spec(folder.encoder.name)
    if spec.tflite_path is None or sha256_of(spec.tflite_path) != sha256_of(folder.path / ENCODER_GRAPH):
        return folder
    return replace(folder, encoder=replace(folder.encoder, key=encoder_key(spec.name)))


def _seal(preset_dir: Path, name: str, folder: ModelFolder, decoding: DecodingOptions, record: dict) -> None:
    write_json(preset_dir / TRAINING_RECORD, record)
    write_text(preset_dir / MODEL_CARD, model_card(name, record) + NOTES)
    seal(preset_dir, name, folder.encoder, folder.network, decoding)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("name")
    parser.add_argument("data_dir", type=Path, help="the prepared dataset whose dev split is scored")
    arguments = parser.parse_args()
    print(install(arguments.run_dir, arguments.name, arguments.data_dir))
