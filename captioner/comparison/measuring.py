"""A trained decoder measured: what it costs, what it says, what it makes of what was said, and its gradient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from captioner.comparison.gradient import gradient_norms, long_captions
from captioner.comparison.sizes import Surroundings, multiply_adds_per_token, num_parameters, state_bytes
from captioner.datasets import Example
from captioner.evaluation import caption_examples
from captioner.inference import Captioner
from captioner.metrics import Tally
from captioner.model import CaptionNetwork, build_network, load_weights
from captioner.model_folder import DECODER_GRAPH, DECODER_WEIGHTS, ModelFolder
from captioner.options import BootstrapOptions
from captioner.quiet import without_native_chatter
from captioner.scoring import score_report, tally_examples
from captioner.training import Run
from captioner.training.batches import TeacherForcing
from captioner.training.dev_loss import TeacherForcedLoss

SCORED_SPLITS = ("dev", "test")


@dataclass(frozen=True)
class Measured:
    """facts: as JSON; by split that is scored, captions: one an example, and tallies; photo_captions: one a photo."""

    facts: dict
    captions: dict[str, list[str]]
    tallies: dict[str, Tally]
    photo_captions: list[str]


def measure(
    run: Run, photos: Sequence[Path], bootstrap: BootstrapOptions, report: Callable[[str, int, int], None]
) -> Measured:
    """A finished run, measured; photos: that are captioned beside those of dev and test.

    report: told of what is captioned, and of photos done and in all.
    Raises: ModelError when the folder is not what the run left; ImageError for a photo that cannot be read.
    """
    with without_native_chatter():
        captioner = Captioner.load(run.output_dir)
    folder = captioner.folder
    examples = {split: run.dataset.split(split) for split in SCORED_SPLITS if split in run.dataset.splits}
    captions = {split: _captions(captioner, run, split, chosen, report) for split, chosen in examples.items()}
    tallies = {split: tally_examples(chosen, captions[split]) for split, chosen in examples.items()}
    known = [text for example in run.dataset.split("train") for text in example.captions]
    scores = {
        split: score_report(chosen, captions[split], tallies[split], bootstrap, known)
        for split, chosen in examples.items()
    }
    facts = _cost(run, folder) | _learning(run, folder) | {"scores": scores, "gradient": _gradient(run)}
    photo_captions = [caption.text for caption in captioner.caption(list(photos))] if photos else []
    return Measured(facts, captions, tallies, photo_captions)


def _captions(captioner, run: Run, split: str, examples: list[Example], report) -> list[str]:
    found = caption_examples(
        captioner, run.dataset, examples, run.decoding, lambda done, total: report(split, done, total)
    )
    return [caption.text for caption in found]


def _cost(run: Run, folder: ModelFolder) -> dict:
    around = Surroundings(folder.vocabulary_size, folder.encoder.num_regions, folder.encoder.depth)
    epochs = folder.training["epochs"]
    memory = [row["peak_memory_mb"] for row in epochs if "peak_memory_mb" in row]
    return {
        "units": run.network.units,
        "heads": run.network.num_heads if run.network.attention else None,
        "parameters": num_parameters(run.network, around),
        "multiply_adds_per_token": multiply_adds_per_token(run.network, around),
        "state_bytes": state_bytes(run.network),
        "graph_bytes": (folder.path / DECODER_GRAPH).stat().st_size,
        "training_seconds": [row["training_seconds"] for row in epochs],
        "peak_memory_mb": max(memory, default=None),
    }


def _learning(run: Run, folder: ModelFolder) -> dict:
    """dev_loss: of the weights that are kept, as the folder has them; None without a dev split."""
    record = folder.training
    found = {"best_epoch": record["best_epoch"], "epochs": record["epochs"], "dev_loss": None}
    if "dev" in run.dataset.splits:
        examples = run.dataset.split("dev")
        given = TeacherForcing(
            examples, *run.dataset.features_of(examples, run.encoder), run.tokenizer, run.training.max_tokens
        )
        found["dev_loss"] = TeacherForcedLoss(_trained(run), given)()
    return found


def _gradient(run: Run) -> dict:
    """Through time, of the network that was trained and of the one its training began with, on the same captions."""
    split = "dev" if "dev" in run.dataset.splits else "train"
    examples = run.dataset.split(split)
    features, rows = run.dataset.features_of(examples, run.encoder)
    captions = long_captions(examples, rows, run.tokenizer)
    networks = {"trained": _trained(run), "initial": _initial(run)}
    return {
        "split": split,
        "num_captions": len(captions),
        "least_words": min(len(caption.ids) for caption in captions),
        **{name: gradient_norms(network, captions, features) for name, network in networks.items()},
    }


def _initial(run: Run) -> CaptionNetwork:
    """As `training.train` begins: the same seed gives the same weights."""
    keras.utils.set_random_seed(run.training.seed)
    return build_network(run.network, len(run.tokenizer), run.encoder.num_regions, run.encoder.depth)


def _trained(run: Run) -> CaptionNetwork:
    network = _initial(run)
    load_weights(network, run.output_dir / DECODER_WEIGHTS)
    return network
