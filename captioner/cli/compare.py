"""`captioner compare`"""

import subprocess
import sys
from pathlib import Path

import click

from captioner.cli import INTERRUPTED
from captioner.cli.shared import PATH, echo, progress_bar, say, with_asked
from captioner.cli.training_options import arguments_of, training_options
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

_STDERR = 2  # the file descriptor: what a training says of itself is no result of the comparison


@click.command()
@click.argument("data_dir", type=PATH)
@click.argument("output_dir", type=PATH)
@click.option(
    "--decoders",
    default="rnn,lstm,gru",
    show_default=True,
    metavar="A,B,...",
    help="Kinds of recurrent cell, two or more.",
)
@click.option(
    "--match-parameters",
    is_flag=True,
    help="Widen the smaller ones until all have as many parameters as the largest has with --units.",
)
@training_options(has_sample=False)
@click.option(
    "--photos",
    multiple=True,
    metavar="PHOTO|DIR",
    help="Photos that each captions, side by side; may be repeated.  [default: a few of dev, named and not shown]",
)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on with an interrupted comparison.")
def compare(data_dir, output_dir, decoders, match_parameters, network, training, photos, resume):
    """Train decoders alike and measure them side by side.

    Trains each with the same data, seed, options and epochs into OUTPUT_DIR/<decoder>, a whole model folder, then
    writes OUTPUT_DIR/compare.md, compare.json and compare.png: what each costs, how well it captions, what difference
    is beyond chance, and what is left of the gradient many steps back in time. Prints what was found.

    Example: captioner compare data/flickr8k runs/compared --match-parameters --epochs 8
    """
    from captioner.comparison.plan import PAGE, parse_decoders, planned, unfinished_runs
    from captioner.datasets import Dataset
    from captioner.encoders.opening import encoder_of
    from captioner.options import NetworkOptions, TrainingOptions

    chosen = parse_decoders(decoders)
    network = with_asked(NetworkOptions(decoder=chosen[0]), network)
    training = with_asked(TrainingOptions(), training)
    photo_paths = _readable_photos(photos)
    dataset = Dataset.open(data_dir)
    dataset.split("train")  # refused before the encoder is opened
    comparison = planned(dataset, output_dir, encoder_of(dataset), chosen, network, training, match_parameters)
    for run in (waiting := unfinished_runs(comparison, resume)):
        _train(run, resume)
    for run in comparison.runs.values():
        if run not in waiting:
            say(f"{run.output_dir} holds a finished model")
    for sentence in _measured(comparison, photo_paths):
        echo(sentence)
    echo(f"comparison: {output_dir / PAGE}")
    return 0


def _readable_photos(names) -> list:
    """Raises: CaptionerError naming the first photo that is missing or cannot be read, hours before it is needed."""
    from captioner.errors import CaptionerError, ImageError
    from captioner.images import read_image
    from captioner.photos import MissingInput, find_photos

    without_pillow_s_warnings()
    found = list(find_photos(names, recursive=False, include=(), exclude=()))
    for photo in found:
        if isinstance(photo, MissingInput | ImageError):
            raise photo
        if not photo.is_file:
            raise CaptionerError("--photos takes photos and folders, not stdin")
        read_image(photo.source, 8)
    return [Path(photo.source) for photo in found]


def _train(run, resume: bool) -> None:
    """Trains by `captioner train`, in a process of its own, so that its peak memory is that of this decoder alone.

    Raises: CaptionerError when it does not end well; it has then said why.
    """
    from captioner.errors import CaptionerError

    options = ["--decoder", run.network.decoder, *arguments_of(run.network, run.training)]
    options.append("--resume" if resume else "--no-resume")
    command = ["train", *options, "--", str(run.dataset.folder), str(run.output_dir)]
    say(f"captioner {' '.join(command)}")
    done = subprocess.run([sys.executable, "-m", "captioner", *command], stdout=_STDERR, check=False)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode != 0:
        raise CaptionerError(f"{run.output_dir}: its training ended with exit code {done.returncode}; see above")


def _measured(comparison, photos) -> list[str]:
    """Measures the finished runs and writes what was found. What was found, in sentences."""
    from captioner.files import write_json, write_text
    from captioner.options import BootstrapOptions

    say("loading TensorFlow")
    with without_native_chatter():
        from captioner.comparison.measuring import measure
        from captioner.comparison.speed import seconds_an_epoch
    from captioner.comparison.figure import draw_comparison
    from captioner.comparison.findings import findings
    from captioner.comparison.page import compare_page
    from captioner.comparison.plan import FIGURE, PAGE, REPORT
    from captioner.comparison.report import comparison_report

    bootstrap = BootstrapOptions()
    measured = {}
    for decoder, run in comparison.runs.items():
        say(f"measuring {run.output_dir}")
        measured[decoder] = measure(run, photos, bootstrap, _Bars().show)
    say("taking steps of training in turn, to see how long an epoch takes")
    speeds = seconds_an_epoch(comparison.runs)
    report = comparison_report(comparison, measured, speeds, photos, bootstrap)
    write_json(comparison.output_dir / REPORT, report)
    draw_comparison(report, comparison.output_dir / FIGURE)
    write_text(comparison.output_dir / PAGE, compare_page(report))
    return findings(report)


class _Bars:
    """A bar for each thing that is counted, one after the other."""

    def __init__(self):
        self._bars = {}

    def show(self, title: str, done: int, total: int) -> None:
        if title not in self._bars:
            self._bars[title] = progress_bar(total, "photos", f"captioning {title}")
        bar = self._bars[title]
        bar.update(done - bar.n)
        if done == total and hasattr(bar, "close"):
            bar.close()
