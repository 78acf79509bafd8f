"""Options that several commands take, and how commands show that they are at work."""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from captioner.errors import OptionsError
from captioner.escaping import visible, visible_line
from captioner.preset_names import DEFAULT_PRESET
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

# Whether it is there and may be read is seen where the path is used: that is no usage error.
PATH = click.Path(path_type=Path, readable=False)


def with_options(command, *options):
    """The command with click's options, which its help shows in that order."""
    for option in reversed(options):
        command = option(command)
    return command


def model_option(command):
    return click.option(
        "-m",
        "--model",
        default=DEFAULT_PRESET,
        show_default=True,
        envvar="CAPTIONER_MODEL",
        show_envvar=True,
        metavar="NAME|DIR",
        help="A shipped model, or a model folder.",
    )(command)


def search_options(command):
    """--beam-size, --candidates, --min-words, --max-words; None leaves the model's own."""
    return with_options(
        command,
        click.option("--beam-size", type=int, metavar="N", help="Width of the search.  [default: the model's]"),
        click.option("--candidates", type=int, metavar="N", help="Captions for each photo, best first.  [default: 1]"),
        click.option("--min-words", type=int, metavar="N", help="Shortest caption, in words.  [default: the model's]"),
        click.option("--max-words", type=int, metavar="N", help="Longest caption, in words.  [default: the model's]"),
    )


def filter_options(command):
    """--include and --exclude"""
    return with_options(
        command,
        click.option("--include", multiple=True, metavar="GLOB", help="Only these files of folders; may be repeated."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="None of these; may be repeated."),
    )


def batch_options(command):
    """How a batch is worked through, and how it is told of: --batch-size, --threads, --errors, --progress."""
    return with_options(
        command,
        click.option(
            "--batch-size", type=int, default=16, show_default=True, metavar="N", help="Photos captioned together."
        ),
        click.option("--threads", type=int, metavar="N", help="Threads to compute with.  [default: all cores]"),
        click.option("--errors", type=PATH, metavar="FILE", help="Write what failed there, as JSON Lines."),
        click.option(
            "--progress",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Show a progress bar on stderr.",
        ),
    )


def engine_options(command):
    """--engine and --ray-address"""
    return with_options(
        command,
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Where photos are worked on: in this process, or by the machines of a Ray cluster.",
        ),
        click.option(
            "--ray-address", metavar="ADDRESS", help="Of the cluster.  [default: one of this machine's cores]"
        ),
    )


def check_engine(engine: str, ray_address: str | None) -> None:
    """Raises: OptionsError for an address of no use; CaptionerError where Ray is not installed."""
    if engine == "ray":
        from captioner.cluster.engine import check_ray

        check_ray()
    elif ray_address is not None:
        raise OptionsError("--ray-address goes with --engine ray")


def with_asked(base, asked: dict):
    """The options with what the user asked for in their place; None is what nobody asked for."""
    from dataclasses import replace

    return replace(base, **{name: value for name, value in asked.items() if value is not None})


def decoding_options(base, beam_size=None, candidates=None, min_words=None, max_words=None):
    """The model's decoding options with what the user asked for in their place.

    Raises: OptionsError when they do not go together.
    """
    if candidates is not None and beam_size is None:
        beam_size = max(base.beam_size, candidates)
    asked = {"beam_size": beam_size, "num_candidates": candidates, "min_words": min_words, "max_words": max_words}
    return with_asked(base, asked)


def parse_shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError as error:
        raise OptionsError(f"split must be three shares such as 0.8,0.1,0.1, not {text!r}") from error


def official_options(command):
    """--meteor and --spice, as the tuple `official` of their names."""

    @functools.wraps(command)
    def gathered(*args, meteor, spice, **kwargs):
        asked = {"meteor": meteor, "spice": spice}
        return command(*args, official=tuple(name for name, wanted in asked.items() if wanted), **kwargs)

    return with_options(
        gathered,
        click.option("--meteor", is_flag=True, help="Add METEOR: needs Java and captioner[coco]; English only."),
        click.option("--spice", is_flag=True, help="Add SPICE: needs Java, captioner[coco] and CoreNLP; English only."),
    )


def bootstrap_options(command):
    """--resamples and --seed, as the options `bootstrap`."""

    @functools.wraps(command)
    def gathered(*args, resamples, seed, **kwargs):
        from captioner.options import BootstrapOptions

        return command(*args, bootstrap=BootstrapOptions(resamples, seed), **kwargs)

    return with_options(
        gathered,
        click.option(
            "--resamples",
            type=int,
            default=1000,
            show_default=True,
            metavar="N",
            help="Times photos are drawn again for the intervals.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Decides the photos drawn."),
    )


def say_report(report: dict) -> None:
    """The scores as a table on stderr, where it is a terminal."""
    if sys.stderr.isatty():
        from captioner.scoring import describe_report

        say(describe_report(report))


def load_captioner(model: str, threads: int | None = None):
    """Raises: ModelError."""
    from captioner.inference import Captioner

    without_pillow_s_warnings()
    with without_native_chatter():
        return Captioner.load(model, threads)


def say(line: str) -> None:
    """A line for people, on stderr; control characters of names and paths in it are spelt out."""
    click.echo(visible(line), err=True)


def echo(text: str) -> None:
    """A result on stdout: as it is for programs, on a terminal with control characters spelt out."""
    stdout = for_terminal(sys.stdout)
    stdout.write(f"{text}\n")  # click would take escape sequences out of a pipe, and so change paths
    stdout.flush()


def for_terminal(stream: TextIO) -> "TextIO | VisibleStream":
    """The stream, but one that spells control characters out where it is a terminal."""
    return VisibleStream(stream.write, stream.flush) if stream.isatty() else stream


@dataclass(frozen=True)
class VisibleStream:
    """Text on its way to a terminal: no file name and no caption in it is obeyed."""

    show: Callable[[str], object]
    flush: Callable[[], object]

    def write(self, text: str) -> None:
        self.show(visible(text))


class _NoBar:
    """What `progress_bar` gives where nothing is shown: tqdm takes its time to import."""

    n = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def update(self, count=1):
        self.n += count

    def set_postfix(self, values, refresh=True):
        return None


def progress_bar(total: int, unit: str, title: str = "", shown: bool | None = None):
    """A tqdm bar on stderr; by default only where stderr is a terminal."""
    if not (sys.stderr.isatty() if shown is None else shown):
        return _NoBar()
    from tqdm import tqdm

    return tqdm(total=total, unit=f" {unit}", desc=visible_line(title), leave=False, dynamic_ncols=True)


def shown(items: Iterable, total: int, unit: str, title: str) -> Iterator:
    """The items, with a progress bar that tells how many have been taken."""
    with progress_bar(total, unit, title) as bar:
        for item in items:
            yield item
            bar.update()


def list_failures(failures: list[str], word: str = "failed", most: int = 20, where: object = None) -> None:
    """Names what failed, last on stderr. where: a file that names the rest."""
    for failure in failures[:most]:
        say(f"{word}: {visible_line(failure)}")
    if len(failures) > most:
        say(f"{word}: and {len(failures) - most:,} more" + ("" if where is None else f", see {where}"))
