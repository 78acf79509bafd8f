"""`captioner caption`"""

import sys
from itertools import chain

import click

from captioner.cli.shared import (
    PATH,
    decoding_options,
    list_failures,
    model_option,
    progress_bar,
    say,
    search_options,
)
from captioner.quiet import without_native_chatter, without_pillow_s_warnings


@click.command()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@model_option
@click.option("-r", "--recursive", is_flag=True, help="Go into subfolders.")
@click.option("--include", multiple=True, metavar="GLOB", help="Only these files of folders; may be repeated.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="None of these; may be repeated.")
@click.option("--files-from", metavar="FILE|-", help="More inputs, one a line.")
@click.option("-0", "null_separated", is_flag=True, help="Inputs of --files-from end with a zero byte.")
@click.option(
    "-f",
    "--format",
    "format_name",
    type=click.Choice(["text", "jsonl", "csv"]),
    default="text",
    show_default=True,
    help="Form of the output.",
)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write there instead of stdout.")
@search_options
@click.option("--batch-size", type=int, default=16, show_default=True, metavar="N", help="Photos captioned together.")
@click.option("--threads", type=int, metavar="N", help="Threads to compute with.  [default: all cores]")
@click.option("--dry-run", is_flag=True, help="Only name the photos that would be captioned.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Show a progress bar on stderr.",
)
def caption(
    inputs,
    model,
    recursive,
    include,
    exclude,
    files_from,
    null_separated,
    format_name,
    output,
    beam_size,
    candidates,
    min_words,
    max_words,
    batch_size,
    threads,
    dry_run,
    progress,
):
    """Caption photos: files, folders, globs, or "-" for image bytes on stdin.

    A single file prints its caption; anything more prints path, tab, caption.

    Example: captioner caption photos -r -f jsonl -o captions.jsonl
    """
    from captioner.photos import MissingInput, find_photos, listed_inputs
    from captioner.errors import OptionsError
    from captioner.options import DecodingOptions

    if not inputs and files_from is None:
        raise click.UsageError("name at least one photo, folder or glob, or give --files-from")
    if null_separated and files_from is None:
        raise click.UsageError("-0 goes with --files-from")
    if inputs.count("-") + (files_from == "-") > 1:
        raise click.UsageError("stdin can be read once only")
    for name, value in (("--batch-size", batch_size), ("--threads", threads)):
        if value is not None and value < 1:
            raise OptionsError(f"{name} must be at least 1, not {value}")
    asked = (beam_size, candidates, min_words, max_words)
    decoding_options(DecodingOptions(), *asked)  # refuses contradictions before a model loads
    names = [*inputs, *(listed_inputs(files_from, null_separated) if files_from is not None else ())]
    bare = len(names) == 1 and files_from is None
    found = list(find_photos(names, recursive, include, exclude))
    failures = [str(item) for item in found if isinstance(item, MissingInput)]
    photos = [item for item in found if not isinstance(item, MissingInput)]
    bare = bare and len(photos) == 1 and photos[0].file_name == names[0]
    if not photos and not failures:
        say("no photo found" + ("" if recursive or include or exclude else "; --recursive looks into subfolders, too"))
    if dry_run:
        for photo in photos:
            click.echo(photo.file_name)
    elif photos:
        failures += _caption_photos(photos, model, asked, format_name, output, bare, batch_size, threads, progress)
    list_failures(failures, most=len(failures))
    return 1 if failures else 0


def _caption_photos(photos, model, asked, format_name, output, bare, batch_size, threads, progress) -> list[str]:
    """Writes every caption as it comes; gives back what failed, one line each."""
    from captioner.errors import ImageError
    from captioner.inference import Captioner
    from captioner.presets import open_model

    without_pillow_s_warnings()
    with without_native_chatter():
        captioner = Captioner(open_model(model), threads, photos_at_once=len(photos))
        options = decoding_options(captioner.folder.decoding, *asked)
        captions = captioner.caption_stream((photo.source for photo in photos), options, batch_size)
        captions = chain([next(captions)], captions)  # opens the model, before anything is written
    from captioner.outputs import open_writer

    failures = []
    shown = {"on": True, "off": False, "auto": None if len(photos) > 1 else False}[progress]
    with (
        open_writer(format_name, output, sys.stdout, bare) as writer,
        progress_bar(len(photos), "photos", shown=shown) as bar,
    ):
        for photo, result in zip(photos, captions, strict=True):
            if isinstance(result, ImageError):
                failures.append(
                    str(result) if photo.is_file else str(result).replace("image:", f"{photo.file_name}:", 1)
                )
                writer.write_error(photo.file_name, result)
            else:
                writer.write(photo.file_name, result)
            bar.update()
    return failures
