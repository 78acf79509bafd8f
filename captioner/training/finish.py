"""The end of a run: the model folder, its record and its card."""

import platform
import shutil
from collections.abc import Callable
from importlib.metadata import version

from captioner import __version__
from captioner.evaluation import caption_examples, score_examples
from captioner.files import write_json, write_text, written_whole
from captioner.inference import Captioner
from captioner.metrics import describe_counts
from captioner.model import CaptionNetwork, export_decoder, load_decoder_weights, save_decoder_weights
from captioner.model_folder import (
    DECODER_GRAPH,
    DECODER_WEIGHTS,
    ENCODER_GRAPH,
    MODEL_CARD,
    TRAINING_RECORD,
    VOCABULARY,
    ModelFolder,
    seal,
)
from captioner.quiet import without_native_chatter
from captioner.training.checkpoint import Progress
from captioner.training.model_card import model_card
from captioner.training.run import Run

_RECORDED_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")


def write_model(run: Run, network: CaptionNetwork, progress: Progress, say: Callable[[str], None]) -> ModelFolder:
    """The model folder of a network that has learned, scored on dev through the decoder that users run."""
    folder = run.output_dir
    run.tokenizer.save(folder / VOCABULARY)
    save_decoder_weights(network, folder / DECODER_WEIGHTS)
    load_decoder_weights(network, folder / DECODER_WEIGHTS)  # rounded to float16, as the graph will be
    export_decoder(network, folder / DECODER_GRAPH)
    with written_whole(folder / ENCODER_GRAPH) as temporary:
        shutil.copyfile(run.encoder_graph_path, temporary)
    record = _record(run, network, progress)
    _write_record(run, record)
    if "dev" not in run.dataset.splits:
        return ModelFolder.open(folder)
    examples = run.dataset.split("dev")
    with without_native_chatter():
        captioner = Captioner(ModelFolder.open(folder))
    captions = caption_examples(captioner, run.dataset, examples, run.decoding)
    record["dev_scores"] = score_examples(examples, [caption.text for caption in captions])
    record["dev_scores"]["beam_size"] = run.decoding.beam_size
    _write_record(run, record)
    say(
        f"dev, beam {run.decoding.beam_size}: BLEU-4 {record['dev_scores']['bleu_4']:.3f}"
        f"  CIDEr-D {record['dev_scores']['cider']:.3f}  ({describe_counts(record['dev_scores'])})"
    )
    return ModelFolder.open(folder)


def _write_record(run: Run, record: dict) -> None:
    name = run.output_dir.resolve().name  # of the folder, even where it was given as "."
    write_json(run.output_dir / TRAINING_RECORD, record)
    write_text(run.output_dir / MODEL_CARD, model_card(name, record))
    seal(run.output_dir, name, run.encoder, run.network, run.decoding)


def _record(run: Run, network: CaptionNetwork, progress: Progress) -> dict:
    return {
        "captioner": __version__,
        "dataset": {
            "source_format": run.dataset.info["source_format"],
            "counts": run.dataset.info["counts"],
            "prepared_with": run.dataset.info["options"],
            "tokenizer": run.tokenizer.settings | {"vocabulary_size": len(run.tokenizer)},
        },
        "encoder": vars(run.encoder),
        "network": run.network.to_json() | {"parameters": network.count_params()},
        "training": run.training.to_json(),
        "run": run.identity(),
        "init": None if run.init is None else run.init.name,
        "decoding": run.decoding.to_json(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _RECORDED_PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "seconds": round(progress.seconds, 1),
        "best_epoch": progress.best_epoch,
        "epochs": progress.history,
    }
