"""The end of a run: the model folder, its record and its card."""

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from captioner import __version__
from captioner.confidence import Confidence
from captioner.encoders import encoder_spec, graph_key, key_of
from captioner.encoders.export import export_encoder, round_kernels
from captioner.encoders.exported import readable
from captioner.encoders.integer_graph import NUM_CALIBRATION_PHOTOS, draw_photos, export_integer_encoder
from captioner.encoders.weights_file import hash_weights
from captioner.evaluation import caption_examples, score_examples
from captioner.files import write_json, write_text, written_whole
from captioner.inference import Captioner
from captioner.metrics import describe_counts
from captioner.model import CaptionNetwork, export_decoder, load_weights, save_decoder_weights, save_weights
from captioner.model_folder import (
    DECODER_GRAPH,
    DECODER_WEIGHTS,
    ENCODER_GRAPH,
    ENCODER_WEIGHTS,
    MODEL_CARD,
    TRAINING_RECORD,
    VOCABULARY,
    EncoderInfo,
    ModelFolder,
    seal,
)
from captioner.quiet import without_native_chatter
from captioner.training.calibration import calibrate
from captioner.training.checkpoint import Progress
from captioner.training.model_card import model_card
from captioner.training.run import Run

_RECORDED_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")


def write_model(
    run: Run, network: CaptionNetwork, progress: Progress, tuned: keras.Model | None, say: Callable[[str], None]
) -> ModelFolder:
    """The model folder of a network that has learned, scored on dev through the graphs that users run.

    tuned: the encoder, where the weights that are kept are fine-tuned ones.
    """
    folder = run.output_dir
    run.tokenizer.save(folder / VOCABULARY)
    save_decoder_weights(network, folder / DECODER_WEIGHTS)
    load_weights(network, folder / DECODER_WEIGHTS)  # rounded to float16, as the graph will be
    export_decoder(network, folder / DECODER_GRAPH)
    encoder = _copy_encoder(run) if tuned is None else _write_encoder(run, tuned)
    record = _record(run, encoder, network, progress)
    _write_record(run, encoder, record)
    if "dev" not in run.dataset.splits:
        return ModelFolder.open(folder)
    examples = run.dataset.split("dev")
    with without_native_chatter():
        captioner = Captioner(ModelFolder.open(folder))
    captions = caption_examples(captioner, run.dataset, examples, run.decoding)
    record["dev_scores"] = score_examples(examples, [caption.text for caption in captions])
    record["dev_scores"]["beam_size"] = run.decoding.beam_size
    confidence, record["confidence"] = calibrate(examples, captions, captioner.is_content)
    _write_record(run, encoder, record, confidence)
    say(
        f"dev, beam {run.decoding.beam_size}: BLEU-4 {record['dev_scores']['bleu_4']:.3f}"
        f"  CIDEr-D {record['dev_scores']['cider']:.3f}  ({describe_counts(record['dev_scores'])})"
    )
    return ModelFolder.open(folder)


def copy_model(run: Run, folder: ModelFolder, others: Sequence[str]) -> ModelFolder:
    """The finished model of another folder in that of the run, under its name. others: files that go with it."""
    for name in (VOCABULARY, DECODER_WEIGHTS, ENCODER_GRAPH, ENCODER_WEIGHTS, DECODER_GRAPH, *others):
        if (folder.path / name).exists():
            _copy(folder.path / name, run.output_dir / name)
    _write_record(run, folder.encoder, folder.training, folder.confidence)
    return ModelFolder.open(run.output_dir)


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)


def _copy_encoder(run: Run) -> EncoderInfo:
    copies = {ENCODER_GRAPH: run.encoder_graph_path, ENCODER_WEIGHTS: run.encoder_weights_path}
    for name, path in copies.items():
        if path is not None:
            _copy(path, run.output_dir / name)
    return run.encoder


def _write_encoder(run: Run, tuned: keras.Model) -> EncoderInfo:
    """Writes the tuned encoder, whose key is its own."""
    round_kernels(tuned)  # as the weights file, and a graph in float, have them
    save_weights(tuned, run.output_dir / ENCODER_WEIGHTS, _as_float16_where_exact)
    name, graph_path = run.encoder.name, run.output_dir / ENCODER_GRAPH
    if run.encoder.precision == "float":
        export_encoder(tuned, graph_path)
        return replace(run.encoder, key=key_of(name, hash_weights(tuned)))
    photos = draw_photos([run.dataset.photo_path(each) for each in run.dataset.split("train")], NUM_CALIBRATION_PHOTOS)
    export_integer_encoder(tuned, readable(photos, run.encoder.image_size), graph_path)
    return replace(run.encoder, key=graph_key(name, graph_path))


def _as_float16_where_exact(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float16)
    return narrow if np.array_equal(narrow, array) else array


def _write_record(run: Run, encoder: EncoderInfo, record: dict, confidence: Confidence | None = None) -> None:
    name = run.output_dir.resolve().name  # of the folder, even where it was given as "."
    write_json(run.output_dir / TRAINING_RECORD, record)
    write_text(run.output_dir / MODEL_CARD, model_card(name, record))
    seal(run.output_dir, name, encoder, run.network, run.decoding, confidence=confidence)


def _record(run: Run, encoder: EncoderInfo, network: CaptionNetwork, progress: Progress) -> dict:
    record = _record_alone(run, encoder, network, progress)
    if run.part_of is None:
        return record
    tuned = run.init.training  # of the run that this one ends
    settling = run.settling.to_json() | _began_with(progress)
    settling |= {"best_epoch": record["best_epoch"], "history": record["epochs"], "seconds": record["seconds"]}
    return tuned | {
        "run": run.recorded_identity,
        "encoder": record["encoder"],
        "settling": settling,
        "seconds": round(tuned["seconds"] + record["seconds"], 1),
    }


def _record_alone(run: Run, encoder: EncoderInfo, network: CaptionNetwork, progress: Progress) -> dict:
    return {
        "captioner": __version__,
        "dataset": {
            "sources": {
                name: {"format": source["format"], "weight": run.source_weights.get(name, 1.0)}
                for name, source in run.dataset.info["sources"].items()
            },
            "counts": run.dataset.info["counts"],
            "prepared_with": run.dataset.info["options"],
            "tokenizer": run.tokenizer.settings | {"vocabulary_size": len(run.tokenizer)},
        },
        "encoder": vars(encoder),
        "network": run.network.to_json() | {"parameters": network.count_params()},
        "training": run.training.to_json(),
        "fine_tuning": None if run.fine_tuning is None else _fine_tuning(run, progress),
        "self_critical": None if run.self_critical is None else run.self_critical.to_json() | _began_with(progress),
        "run": run.identity(),
        "init": None if run.init is None else run.init.name,
        "decoding": run.decoding.to_json(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _RECORDED_PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "seconds": round(progress.seconds, 1),
        "best_epoch": progress.best_epoch,
        "epochs": progress.history,
    }


def _fine_tuning(run: Run, progress: Progress) -> dict:
    cut = {"cut": encoder_spec(run.encoder.name).cut, "began_with": run.encoder.key}
    if run.encoder.precision == "int8":
        cut["calibration"] = {"photos": NUM_CALIBRATION_PHOTOS, "of": "train", "seed": 0}
    return run.fine_tuning.to_json() | cut | _began_with(progress)


def _began_with(progress: Progress) -> dict:
    """settled: what the second phase began with; is_kept: whether what it gave is what the model has."""
    return {
        "num_settled_epochs": progress.num_settled,
        "settled": progress.settled,
        "is_kept": progress.is_tuned,
    }
