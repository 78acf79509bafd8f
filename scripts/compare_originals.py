"""Scores of the same dev photos in their natural shape and as the dataset holds them: is anything lost by squeezing?

python scripts/compare_originals.py data/flickr8k path/to/originals
"""

import argparse
import json
from pathlib import Path

from captioner import Captioner
from captioner.datasets import Dataset
from captioner.evaluation import score_examples


def compare(data_dir: Path, originals_dir: Path, model: str) -> dict:
    """BLEU-4 and CIDEr-D of both sets of photos, as fractions, and how many captions are the same."""
    dataset, captioner = Dataset.open(data_dir), Captioner.load(model)
    present = {path.name for path in originals_dir.iterdir()}
    examples = [example for example in dataset.split("dev") if example.image in present]
    captions = {
        "squeezed in the dataset": captioner.caption([dataset.photo_path(example) for example in examples]),
        "original shape": captioner.caption([originals_dir / example.image for example in examples]),
    }
    texts = {name: [caption.text for caption in found] for name, found in captions.items()}
    scores = {name: score_examples(examples, found) for name, found in texts.items()}
    first, second = texts.values()
    return {
        "photos": len(examples),
        "same captions": sum(a == b for a, b in zip(first, second, strict=True)),
        **{name: {key: round(score[key], 4) for key in ("bleu_4", "cider")} for name, score in scores.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("originals_dir", type=Path)
    parser.add_argument("--model", default="flickr8k")
    arguments = parser.parse_args()
    print(json.dumps(compare(arguments.data_dir, arguments.originals_dir, arguments.model), indent=2))
