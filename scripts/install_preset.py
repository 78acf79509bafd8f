"""Puts a trained model folder into the package as a shipped preset, with its licence and its fuller card.

    python scripts/install_preset.py runs/spoken flickr8k data/flickr8k --examples scripts/flickr8k_examples.md \\
        --rung runs/base "teacher forcing" --rung runs/tuned "the encoder's last blocks learn, too"

The rungs, in order, are models that were steps on the way: the card shows what each scores on dev with the search that
ships, and the seconds its run took. The preset itself is the last.
"""

import argparse
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import captioner
from captioner import Captioner
from captioner.datasets import Dataset
from captioner.decoder_weights import make_weights_thin
from captioner.encoders import shipped_graph
from captioner.evaluation import caption_examples
from captioner.files import sha256_of, write_json, write_text
from captioner.inference import Caption
from captioner.model_folder import (
    ENCODER_GRAPH,
    ENCODER_WEIGHTS,
    FILES,
    MODEL_CARD,
    TRAINING_RECORD,
    ModelFolder,
    seal,
)
from captioner.options import BootstrapOptions, DecodingOptions
from captioner.presets import SHARED_ENCODERS
from captioner.scoring import score_report, tally_examples
from captioner.search_rules import content_tokens
from captioner.training.calibration import calibrate
from captioner.training.model_card import model_card


@dataclass(frozen=True)
class Family:
    """What all models that learned from the same photos say of themselves. notes: Markdown."""

    licence: str
    notes: str


_FLICKR8K = """
## Licence

The code and the encoder's ImageNet weights (EfficientNet-Lite, TensorFlow TPU repository) are under Apache-2.0. The
model learned from the photos and captions of Flickr8k (M. Hodosh, P. Young, J. Hockenmaier, "Framing Image Description
as a Ranking Task", JAIR 47, 2013), which is given for non-commercial research and education: use this model
accordingly, or train one on captions of your own.

## Intended use

Drafts of alternative text and searchable captions for everyday photos, and a model to learn from. Someone should
read a caption before it is published.

## Limits

It knows the world of Flickr8k: people and dogs, outdoors, doing things. It speaks of what it knows: animals it has
hardly met become dogs, indoor scenes and objects without people are often misnamed, counts above three and colours
of small things are unreliable, and it guesses the sex and age of people from little. It reads no text, knows no
names and no places. Its confidence is a mean probability of words, not a promise of being right.
"""

_EVERYDAY = """
## Licence

The code, the weights and the encoder's ImageNet weights (EfficientNet-Lite, TensorFlow TPU repository) are under
Apache-2.0. The model learned from captions of COCO (T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context",
2014; captions: X. Chen et al., 2015). They are under CC BY 4.0: name them where you name this model. The photos that
it learned from belong to their authors, each under the licence chosen on Flickr; the model folder holds none of them.

## Intended use

Drafts of alternative text and searchable captions for everyday photos, captions for training sets, and a model to learn
from. Someone should read a caption before it is published.

## Limits

It knows the world of COCO: people, animals, food, rooms, streets and sports as its 80 kinds of objects show them.
What is rare there is called by the name of something common. Counts above three, colours of small things, the sex and
age of people, what people feel or intend, and who or where they are, it guesses from little or not at all. It reads no
text. Drawings, scans, screenshots and medical or satellite images are beyond it.
"""

# By the beginning of a preset's name.
FAMILIES = {
    "everyday": Family("Apache-2.0; learned from COCO's captions (CC BY 4.0)", _EVERYDAY),
    "flickr8k": Family("Apache-2.0; learned from Flickr8k, whose terms are non-commercial", _FLICKR8K),
}


def install(run_dir: Path, name: str, data_dir: Path, rungs: list[tuple[Path, str]], examples: str) -> Path:
    """The preset's folder: the run's weights and its search, and what both score on dev.

    rungs: models on the way and what each is; examples: Markdown, a section of the card.
    """
    folder = under_todays_key(ModelFolder.open(run_dir))
    preset_dir = Path(captioner.__file__).parent / "presets" / name
    preset_dir.mkdir(parents=True, exist_ok=True)
    family, shared = FAMILIES[name.partition("-")[0]], SHARED_ENCODERS[folder.encoder.precision]
    if sha256_of(shared) != sha256_of(run_dir / ENCODER_GRAPH):
        shared = None
    for file in (*FILES, ENCODER_WEIGHTS):
        (preset_dir / file).unlink(missing_ok=True)
        if (run_dir / file).exists() and not (file == ENCODER_GRAPH and shared):
            shutil.copyfile(run_dir / file, preset_dir / file)
    make_weights_thin(preset_dir)
    dataset, decoding = Dataset.open(data_dir), folder.decoding
    captions = {path: dev_captions(path, dataset, decoding) for path in {run_dir, *(path for path, _ in rungs)}}
    scores = {path: dev_scores(dataset, said, decoding) for path, said in captions.items()}
    is_content = content_tokens(decoding, folder.tokenizer)
    confidence, calibration = calibrate(dataset.split("dev"), captions[run_dir], is_content)
    record = folder.training | {
        "licence": family.licence,
        "decoding": decoding.to_json(),
        "encoder": vars(folder.encoder),
        "dev_scores": scores[run_dir],
        "confidence": calibration,
        "ladder": [
            {"what": what, "seconds": ModelFolder.open(path).training["seconds"], "dev_scores": scores[path]}
            for path, what in rungs
        ],
    }
    write_json(preset_dir / TRAINING_RECORD, record)
    write_text(preset_dir / MODEL_CARD, model_card(name, record) + family.notes + examples)
    seal(preset_dir, name, folder.encoder, folder.network, decoding, shared, confidence)
    return preset_dir


def dev_captions(run_dir: Path, dataset: Dataset, decoding: DecodingOptions) -> list[Caption]:
    return caption_examples(Captioner.load(run_dir), dataset, dataset.split("dev"), decoding)


def dev_scores(dataset: Dataset, captions: list[Caption], decoding: DecodingOptions) -> dict:
    """As `captioner evaluate` prints them."""
    examples, texts = dataset.split("dev"), [caption.text for caption in captions]
    known = [text for example in dataset.split("train") for text in example.captions]
    tally = tally_examples(examples, texts)
    return score_report(examples, texts, tally, BootstrapOptions(), known) | {"beam_size": decoding.beam_size}


def under_todays_key(folder: ModelFolder) -> ModelFolder:
    """The folder; if its encoder is the shipped one to the byte, under the key that one has by now.

    A run keeps the key of its day, but features are prepared, and looked for, under today's.
    """
    shipped = shipped_graph(folder.encoder.name, folder.encoder.precision)
    if shipped is None or sha256_of(shipped[0]) != sha256_of(folder.encoder_graph_path):
        return folder
    return replace(folder, encoder=replace(folder.encoder, key=shipped[1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("name")
    parser.add_argument("data_dir", type=Path, help="the prepared dataset whose dev split is scored")
    parser.add_argument("--rung", nargs=2, action="append", default=[], metavar=("RUN_DIR", "WHAT"))
    parser.add_argument("--examples", type=Path, metavar="FILE", help="Markdown for the end of the card")
    arguments = parser.parse_args()
    given_rungs = [(Path(path), what) for path, what in arguments.rung]
    text = "" if arguments.examples is None else "\n" + arguments.examples.read_text(encoding="utf-8")
    print(install(arguments.run_dir, arguments.name, arguments.data_dir, given_rungs, text))
