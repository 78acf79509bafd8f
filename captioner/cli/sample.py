"""The embedded sample of `captioner train`: drawings made on the spot."""

from pathlib import Path

from captioner.cli.shared import echo, progress_bar, say
from captioner.quiet import without_native_chatter

SAMPLE_DIR = Path("runs/sample")


def sample_options():
    from captioner.options import NetworkOptions, TrainingOptions

    return (
        NetworkOptions(units=128, embedding_dim=64, dropout=0.0, recurrent_dropout=0.0),
        TrainingOptions(
            epochs=20, batch_size=8, learning_rate=4e-3, ema_decay=0.95, word_dropout=0.0, flipped_share=0.0
        ),
    )


def prepare_sample() -> Path:
    from captioner.datasets import NamedSource, prepare, read_annotations
    from captioner.datasets.drawings import write_drawings
    from captioner.datasets.prepared_files import is_current
    from captioner.encoders.opening import find_graph, open_encoder
    from captioner.inference import default_threads
    from captioner.options import PrepareOptions

    source, data_dir = SAMPLE_DIR / "drawings", SAMPLE_DIR / "data"
    if is_current(data_dir):
        return data_dir
    say(f"drawing scenes into {source}")
    write_drawings(source)
    drawings = NamedSource("drawings", source, *read_annotations(source, "sidecar"))
    options = PrepareOptions(format="sidecar", min_count=1)
    with progress_bar(len(drawings.annotations.examples), "drawings", "encoding") as bar:
        prepare(
            [drawings],
            data_dir,
            options,
            lambda photos: open_encoder(*find_graph(options.encoder, options.encoder_precision, data_dir, photos, say)),
            default_threads(),
            lambda done, total: bar.update(done - bar.n),
            say,
        )
    return data_dir


def show_sample(folder, data_dir) -> None:
    """Captions of unseen drawings, their scores, and how to go on."""
    from captioner.datasets import Dataset
    from captioner.evaluation import caption_examples, score_examples
    from captioner.inference import Captioner
    from captioner.metrics import describe_counts

    dataset = Dataset.open(data_dir)
    examples = dataset.split("test")
    with without_native_chatter():
        captioner = Captioner(folder)
    captions = [c.text for c in caption_examples(captioner, dataset, examples, folder.decoding)]
    for example, caption in list(zip(examples, captions, strict=True))[:5]:
        echo(f"{SAMPLE_DIR / 'drawings' / example.image}\t{caption}")
    scores = score_examples(examples, captions)
    echo(
        f"{len(examples)} drawings of combinations never trained on:"
        f" BLEU-4 {scores['bleu_4']:.3f}, CIDEr-D {scores['cider']:.3f} ({describe_counts(scores)})"
    )
    echo("With your own photos (photo.jpg + photo.txt, or Flickr8k):  captioner prepare PHOTOS data/mine")
    echo("                                                            captioner train data/mine runs/mine")
