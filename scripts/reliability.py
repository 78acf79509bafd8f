"""Draws how often captions of a confidence are good, on photos that the regression was not fitted on.

python scripts/reliability.py MODEL data/everyday docs/confidence.png
"""

import argparse
from pathlib import Path

import numpy as np

from captioner import Captioner
from captioner.confidence import GOOD_CIDER, area_under_curve, cross_validated, statistics_of
from captioner.datasets import Dataset
from captioner.evaluation import caption_examples
from captioner.metrics import sentence_scores
from captioner.scoring import tally_examples

NUM_BINS = 8  # of as many captions each


def confidences_of(model: str, data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of each dev caption the confidence by a regression fitted without its photo, and whether it is good."""
    captioner, dataset = Captioner.load(model), Dataset.open(data_dir)
    examples = dataset.split("dev")
    captions = caption_examples(captioner, dataset, examples, captioner.folder.decoding)
    tally = tally_examples(examples, [caption.text for caption in captions])
    is_good = sentence_scores(tally)["cider"] > GOOD_CIDER
    statistics = np.stack([statistics_of(caption, captioner.is_content) for caption in captions])
    return cross_validated(statistics, is_good), is_good


def draw(confidences: np.ndarray, is_good: np.ndarray, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bins = np.array_split(np.argsort(confidences), NUM_BINS)
    told = np.array([confidences[each].mean() for each in bins])
    good = np.array([is_good[each].mean() for each in bins])
    spread = 1.96 * np.sqrt(good * (1 - good) / [len(each) for each in bins])  # 95% of a binomial
    figure, axes = pyplot.subplots(figsize=(5, 4.4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it says")
    axes.errorbar(told, good, spread, fmt="o-", capsize=3, label=f"{len(is_good):,} dev captions")
    axes.set(xlabel="confidence", ylabel=f"share with a CIDEr-D above {100 * GOOD_CIDER:.0f}", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"area under the curve {area_under_curve(confidences, is_good):.2f}", fontsize=10)
    axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    draw(*confidences_of(given.model, given.data_dir), given.output)
