"""`captioner caption`"""

import sys

import click

from captioner.cli.outputs import output_options
from captioner.cli.shared import (
    batch_options,
    check_engine,
    engine_options,
    filter_options,
    model_option,
    say,
    search_options,
)


@click.command()
@click.argument("inputs", nargs=-1, metavar="INPUT...", type=click.Path(readable=False))
@model_option
@click.option("-r", "--recursive", is_flag=True, help="Go into subfolders.")
@filter_options
@click.option("--files-from", metavar="FILE|-", help="More inputs, one a line.")
@click.option("-0", "null_separated", is_flag=True, help="Inputs of --files-from end with a zero byte.")
@output_options
@search_options
@batch_options
@engine_options
@click.option(
    "--shard-size",
    type=int,
    default=1000,
    show_default=True,
    metavar="N",
    help="Photos a shard of --engine ray, which writes shards into the folder or address --output.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be captioned, and where it would be written.")
def caption(
    inputs,
    recursive,
    include,
    exclude,
    files_from,
    null_separated,
    where,
    shape,
    engine,
    ray_address,
    shard_size,
    dry_run,
    **work,
):
    """Caption photos: files, folders, globs, or "-" for image bytes on stdin.

    A single file prints its caption; anything more prints path, tab, caption. Where a caption is there already in
    every place that was asked for, the photo is skipped: so the same command goes on with what was interrupted.

    Example: captioner caption photos -r -f jsonl -o captions.jsonl
    """
    from captioner.cli.batch import Batch
    from captioner.errors import OptionsError
    from captioner.photos import MissingInput, describe_skipped, find_photos, listed_inputs, told_apart

    if not inputs and files_from is None:
        raise click.UsageError("name at least one photo, folder or glob, or give --files-from")
    if null_separated and files_from is None:
        raise click.UsageError("-0 goes with --files-from")
    if inputs.count("-") + (files_from == "-") > 1:
        raise click.UsageError("stdin can be read once only")
    if dry_run and engine == "ray":
        raise OptionsError("--dry-run does not go with --engine ray")
    check_engine(engine, ray_address)
    batch = Batch(where, shape, **work)  # refuses what does not go together, whoever does it
    names = [*inputs, *(listed_inputs(files_from, null_separated) if files_from is not None else ())]
    if engine == "ray":
        from captioner.cli.cluster import Inputs, caption_on_ray

        found = Inputs(tuple(names), recursive, include, exclude, shard_size)
        return caption_on_ray(found, where, shape, ray_address, work)
    if isinstance(where.output, str):
        raise OptionsError(f"--output {where.output} is an address, which --engine ray writes to")
    skipped = []
    found = told_apart(find_photos(names, recursive, include, exclude, skipped.append))
    if skipped:
        say(describe_skipped(skipped))
    if not found:
        say("no photo found" + ("" if recursive or include or exclude else "; --recursive looks into subfolders, too"))
        return 0
    is_bare = len(names) == len(found) == 1 and files_from is None
    is_bare = is_bare and not isinstance(found[0], MissingInput) and found[0].file_name == names[0]
    with batch.opened(sys.stdout, is_bare, len(found)):
        return batch.say_what_would_be_done(found) if dry_run else batch.caption(found)
