"""`captioner train`"""

import math

import click

from captioner.cli.sample import SAMPLE_DIR, prepare_sample, sample_options, show_sample
from captioner.cli.shared import PATH, echo, progress_bar, say, with_asked
from captioner.cli.training_options import option_of, training_options
from captioner.quiet import without_native_chatter


@click.command()
@click.argument("data_dir", type=PATH, required=False)
@click.argument("output_dir", type=PATH, required=False)
@option_of(
    "--decoder", "lstm", "Kind of recurrent cell.", type=click.Choice(["rnn", "lstm", "gru"]), metavar="rnn|lstm|gru"
)
@training_options(has_sample=True)
@option_of(
    "--crops", "0", "Random crops of every photo, seen in its place half of the time; needs the photos.", type=int
)
@click.option(
    "--init", metavar="NAME|DIR", help="Go on from this model: its network, its words, and the new ones of DATA_DIR."
)
@click.option(
    "--fine-tune-encoder",
    is_flag=True,
    help="Once the decoder has settled, train the last blocks of the encoder with it. With --init the decoder is taken"
    " to have settled, and --epochs and --learning-rate are of the fine-tuning. Needs the photos, and room for what"
    " is kept of each: about 1 GB for Flickr8k.",
)
@option_of("--fine-tune-epochs", "4", "Epochs of fine-tuning.", type=int)
@option_of("--fine-tune-learning-rate", "0.00003", "Peak of the encoder's schedule.", type=float, metavar="X")
@click.option(
    "--objective",
    type=click.Choice(["cross-entropy", "self-critical"]),
    default="cross-entropy",
    show_default=True,
    help="What the decoder learns from: the next word of given captions; or, once it has settled, how captions that it"
    " says score. With --init it is taken to have settled, and --epochs and --learning-rate are of what follows.",
)
@option_of("--self-critical-epochs", "5", "Epochs of self-critical training.", type=int)
@click.option(
    "--devices",
    type=click.Choice(["one", "all"]),
    default="one",
    show_default=True,
    help="Train on one GPU or processor, or share every step's photos among all GPUs of this machine.",
)
@click.option(
    "--source-weights",
    metavar="NAME=X,...",
    help="How often the photos of a source are seen in an epoch, where DATA_DIR was mixed.  [default: 1 for each]",
)
@option_of(
    "--photo-evenness",
    "0",
    "From 0 to 1: at 0 every caption counts as much as any other, at 1 every photo, however many captions it has.",
    type=float,
    metavar="X",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "auto"]),
    help="Of matrix products; auto is bfloat16 where the processor or GPU has it: quicker, a little coarser."
    "  [default: float32]",
)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on with an interrupted run.")
def train(
    data_dir,
    output_dir,
    decoder,
    network,
    training,
    crops,
    init,
    fine_tune_encoder,
    fine_tune_epochs,
    fine_tune_learning_rate,
    objective,
    self_critical_epochs,
    devices,
    source_weights,
    photo_evenness,
    precision,
    resume,
):
    """Train a captioner on a prepared dataset.

    Writes a model folder with its learning curves. Without DATA_DIR and OUTPUT_DIR, trains on a small sample of
    drawings that is made on the spot, into runs/sample; that takes about a minute.

    Example: captioner train data/flickr8k runs/lstm
    """
    from captioner.options import (
        FineTuningOptions,
        NetworkOptions,
        SelfCriticalOptions,
        TrainingOptions,
    )
    from captioner.presets import open_model

    if (data_dir is None) != (output_dir is None):
        raise click.UsageError("give both DATA_DIR and OUTPUT_DIR, or neither for the sample")
    is_sample = data_dir is None
    of_data = {"--init": init is not None, "--fine-tune-encoder": fine_tune_encoder, "--source-weights": source_weights}
    for option, is_given in of_data.items():
        if is_sample and is_given:
            raise click.UsageError(f"{option} goes with DATA_DIR and OUTPUT_DIR")
    network, training = (
        network | {"decoder": decoder},
        training
        | {
            "crops": crops,
            "photo_evenness": photo_evenness,
            "precision": precision,
        },
    )
    tuning = {"epochs": fine_tune_epochs, "learning_rate": fine_tune_learning_rate}
    if not fine_tune_encoder and set(tuning.values()) != {None}:
        raise click.UsageError("--fine-tune-epochs and --fine-tune-learning-rate go with --fine-tune-encoder")
    speaking, speaks = {"epochs": self_critical_epochs}, objective == "self-critical"
    if not speaks and self_critical_epochs is not None:
        raise click.UsageError("--self-critical-epochs goes with --objective self-critical")
    if speaks and fine_tune_epochs is not None:
        raise click.UsageError("give --self-critical-epochs: with --objective self-critical the encoder learns as long")
    if init is not None and speaks:
        training, speaking = _as_second_phase(training, speaking, "--self-critical-epochs", "learning_rate")
    elif init is not None and fine_tune_encoder:
        training, tuning = _as_second_phase(training, tuning, "--fine-tune-epochs", "decoder_learning_rate")
    source = None if init is None else open_model(init)
    bases = (
        sample_options() if is_sample else (NetworkOptions() if source is None else source.network, TrainingOptions())
    )
    network, training = (with_asked(base, asked) for base, asked in zip(bases, (network, training), strict=True))
    tuning = with_asked(FineTuningOptions(), tuning) if fine_tune_encoder else None
    speaking = with_asked(SelfCriticalOptions(), speaking) if speaks else None
    if is_sample:
        data_dir, output_dir = prepare_sample(), SAMPLE_DIR
    folder = _train(
        data_dir,
        output_dir,
        resume,
        network=network,
        training=training,
        init=source,
        fine_tuning=tuning,
        self_critical=speaking,
        devices=devices,
        source_weights=_parse_source_weights(source_weights),
    )
    if is_sample:
        show_sample(folder, data_dir)
    else:
        echo(f"model: {output_dir}")
        say(f"caption with it: captioner caption photo.jpg --model {output_dir}")
    return 0


def _as_second_phase(training: dict, second: dict, option: str, learning_rate: str) -> tuple[dict, dict]:
    """Both, the epochs and the decoder's learning rate being of the second phase, as there is no other."""
    if None not in (training["epochs"], second["epochs"]):
        raise click.UsageError(f"give one of --epochs and {option}: with --init they are the same")
    epochs = training["epochs"] if second["epochs"] is None else second["epochs"]
    second = second | {"epochs": epochs, learning_rate: training["learning_rate"]}
    return training | {"epochs": None, "learning_rate": None}, second


def _parse_source_weights(text: str | None) -> dict[str, float]:
    from captioner.errors import OptionsError

    weights = {}
    for part in text.split(",") if text is not None else ():
        name, _, value = (each.strip() for each in part.rpartition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = math.nan
        if not name or name in weights or not 0 < weight <= 100:
            raise OptionsError(f"--source-weights takes NAME=X,... with X above 0 and at most 100, not {text!r}")
        weights[name] = weight
    return weights


def _train(data_dir, output_dir, resume, init, source_weights, **settings):
    from captioner.datasets import Dataset
    from captioner.encoders.opening import encoder_of

    dataset = Dataset.open(data_dir)
    dataset.split("train")  # refuses a dataset without one before TensorFlow is loaded
    for name in source_weights:
        dataset.check_mixed(name)
    encoder, graph_path = encoder_of(dataset)
    if init is not None and init.encoder.key != encoder.key:  # a model goes on with its own eyes
        encoder, graph_path = init.encoder, init.encoder_graph_path
    say("loading TensorFlow")
    with without_native_chatter():
        from captioner.training import Listener, Run, suitable_decoding, train

    settings |= {"decoding": suitable_decoding(dataset), "init": init, "source_weights": source_weights}
    run = Run(dataset, output_dir, encoder, graph_path, **settings)
    return train(run, resume, Listener(say, _show_progress))


def _show_progress(items, done, total, title, unit):
    bar = progress_bar(total, unit, title)
    bar.update(done)

    def shown():
        with bar:
            for item in items:
                yield item
                bar.update()

    def show(measured, tokens_per_second):
        values = {name: f"{value:.3f}" for name, value in measured.items()}
        bar.set_postfix(values | {"tokens/s": f"{tokens_per_second:,.0f}"}, refresh=False)

    return shown(), show
