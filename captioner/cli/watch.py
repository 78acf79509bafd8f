"""`captioner watch`"""

import os
import sys

import click

from captioner.cli.outputs import output_options
from captioner.cli.shared import batch_options, filter_options, model_option, say, search_options


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(readable=False))
@model_option
@filter_options
@click.option(
    "--interval", type=float, default=1.0, show_default=True, metavar="SECONDS", help="From one look to the next."
)
@output_options
@search_options
@batch_options
def watch(folders, include, exclude, interval, where, shape, **work):
    """Caption photos as they appear in folders and their subfolders.

    What is there already and lacks a caption comes first. A photo is taken when it has stopped growing. Ends with
    Ctrl-C, and goes on where it was when it is started again.

    Example: captioner watch inbox --sidecar txt
    """
    from captioner.batch.arrivals import Arrivals
    from captioner.cli.batch import Batch
    from captioner.errors import CaptionerError, OptionsError
    from captioner.options.outputs import SIDECAR_KINDS

    if not interval > 0:
        raise OptionsError(f"--interval must be above 0, not {interval:g}")
    if where.format == "parquet":
        raise OptionsError("--format parquet is written whole at the end, and watching has none; give jsonl or csv")
    batch = Batch(where, shape, **work)
    for folder in folders:
        if not os.path.isdir(folder):
            raise CaptionerError(f"{folder}: no such folder")
    written = [os.path.abspath(path) for path in (where.output, work["errors"]) if path is not None]
    sidecars = [f".{kind}" for kind in SIDECAR_KINDS]
    arrivals = Arrivals(folders, include, exclude, [*written, *sidecars], say)
    with batch.opened(sys.stdout, is_bare=False, num_photos=2):
        batch.watch(arrivals, interval)
