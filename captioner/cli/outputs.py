"""The options that say where captions go, and what their last shape is; `caption` and `watch` take them alike."""

import functools
from pathlib import Path

import click

from captioner.cli.shared import PATH, with_options


class PathOrAddress(click.Path):
    """A path, or an address such as s3://bucket/folder, which stays text."""

    def convert(self, value, param, ctx):
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


_OUTPUTS = (
    click.option(
        "-f",
        "--format",
        type=click.Choice(["text", "jsonl", "csv", "parquet"]),
        help="Form of the records; parquet is written at the end.  [default: text, where no other output is asked for]",
    ),
    click.option(
        "-o",
        "--output",
        type=PathOrAddress(readable=False, path_type=Path),
        metavar="FILE",
        help="Write records there instead of to stdout; gone on with when it is there.",
    ),
    click.option(
        "--sidecar",
        type=click.Choice(["txt", "caption", "json", "xmp"]),
        help="Write a file beside each photo: photo.txt; where that would be another photo's, too, photo.jpg.txt.",
    ),
    click.option("--output-dir", type=PATH, metavar="DIR", help="Write sidecars there, in a tree like the photos'."),
    click.option(
        "--write-metadata",
        type=click.Choice(["alt", "description", "both"]),
        help="Write captions into the photos: as alt text, as description, or both.",
    ),
    click.option(
        "--existing",
        type=click.Choice(["skip", "overwrite", "error"]),
        default="skip",
        show_default=True,
        help="What to do where a caption is there already.",
    ),
    click.option(
        "--csv-raw",
        is_flag=True,
        help="Write CSV cells that begin with = + - @ as they are: a spreadsheet runs them as formulas.",
    ),
    click.option(
        "--no-bom",
        is_flag=True,
        help="Begin a CSV file without a byte-order mark, which spreadsheets need and some programs do not expect.",
    ),
    click.option("--replace-human", is_flag=True, help="In metadata, replace words that a person wrote, too."),
)
_SHAPE = (
    click.option("--prefix", default="", metavar="TEXT", help="Put before every caption."),
    click.option("--suffix", default="", metavar="TEXT", help="Put behind every caption."),
    click.option(
        "--max-chars",
        type=int,
        metavar="N",
        help="Cut captions at a word, to so many characters at most.  [default: 125 of an alt text]",
    ),
    click.option(
        "--min-confidence",
        type=float,
        metavar="X",
        help="Mark captions whose confidence, 0 to 1, is below: low_confidence in records.",
    ),
)


def output_options(command):
    """As the options `where` and `shape`. Raises: OptionsError when they do not go together."""

    @functools.wraps(command)
    def gathered(
        *args,
        format,
        output,
        sidecar,
        output_dir,
        write_metadata,
        existing,
        replace_human,
        csv_raw,
        no_bom,
        prefix,
        suffix,
        max_chars,
        min_confidence,
        **kwargs,
    ):
        from captioner.options import OutputOptions, ShapeOptions

        where = OutputOptions(
            format or "",
            output,
            sidecar or "",
            output_dir,
            write_metadata or "",
            existing,
            replace_human,
            csv_raw,
            no_bom,
        )
        return command(*args, where=where, shape=ShapeOptions(prefix, suffix, max_chars, min_confidence), **kwargs)

    return with_options(gathered, *_OUTPUTS, *_SHAPE)
