"""The options that say how a decoder is shaped and learns, for every command that trains."""

import functools

import click

_NETWORK = ("attention", "units", "embedding_dim", "dropout")

# (name, default, that of the sample, help, kind)
_NUMBERS = (
    ("--units", "512", "128", "Width of the recurrent state.", int),
    ("--embedding-dim", "256", "64", "Width of word embeddings.", int),
    ("--dropout", "0.5", "0", "Share of values dropped while training.", float),
    ("--epochs", "14", "20", "Times the train split is seen.", int),
    ("--batch-size", "16", "8", "Photos a step, each with all its captions.", int),
    ("--learning-rate", "0.0006", "0.004", "Peak of the schedule.", float),
    ("--label-smoothing", "0.1", "0.1", "Share of probability given to all other words.", float),
    ("--patience", "5", "5", "Epochs without a better dev loss or dev CIDEr-D before stopping.", int),
    ("--seed", "0", "0", "Decides weights, order and dropout.", int),
)


def option_of(name: str, default: str, help: str, **settings):
    """An option that leaves its default to the options class it belongs to."""
    return click.option(name, metavar=settings.pop("metavar", "N"), help=f"{help}  [default: {default}]", **settings)


def training_options(has_sample: bool):
    """Decorates a command, which is then given `network` and `training`: what was asked for, None where nothing was.

    has_sample: whether the command has a sample to train on, with defaults of its own.
    """

    def default_of(default: str, of_sample: str) -> str:
        return f"{default}; sample: {of_sample}" if has_sample and of_sample != default else default

    def decorate(command):
        @functools.wraps(command)
        def gathered(*args, mirror, **kwargs):
            from captioner.options import TrainingOptions

            network = {name: kwargs.pop(name) for name in _NETWORK}
            training = {name: kwargs.pop(name) for name in _training_names()}
            shares = {None: None, True: TrainingOptions().flipped_share, False: 0.0}
            return command(*args, network=network, training=training | {"flipped_share": shares[mirror]}, **kwargs)

        mirror_help = "Learn from photos in a mirror, too, left said as right; needs the photos."
        gathered = click.option(
            "--mirror/--no-mirror",
            default=None,
            help=f"{mirror_help}  [default: {'mirror; sample: no' if has_sample else 'mirror'}]",
        )(gathered)
        for name, default, of_sample, help, kind in reversed(_NUMBERS):
            metavar = "X" if kind is float else "N"
            gathered = option_of(name, default_of(default, of_sample), help, type=kind, metavar=metavar)(gathered)
        return click.option(
            "--attention/--no-attention",
            default=None,
            help="Look at the regions of the photo at every word, or only at the start.  [default: attention]",
        )(gathered)

    return decorate


def arguments_of(network, training) -> list[str]:
    """The options as a command line that asks for each of them, whatever the defaults are.

    network, training: options that differ from the defaults in nothing but what `training_options` can ask for.
    """
    given = network.to_json() | training.to_json()
    numbers = [(name, given[name.removeprefix("--").replace("-", "_")]) for name, *_ in _NUMBERS]
    return [
        "--attention" if network.attention else "--no-attention",
        *(part for name, value in numbers for part in (name, repr(value))),
        "--mirror" if training.flipped_share else "--no-mirror",
    ]


def _training_names() -> list[str]:
    names = [name.removeprefix("--").replace("-", "_") for name, *_ in _NUMBERS]
    return [name for name in names if name not in _NETWORK]
