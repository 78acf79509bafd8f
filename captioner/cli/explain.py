"""`captioner explain`"""

import os

import click

from captioner.cli.shared import PATH, decoding_options, echo, model_option, say
from captioner.quiet import without_native_chatter, without_pillow_s_warnings


@click.command()
@click.argument("photo", type=PATH)
@model_option
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Draw there: .png, .svg or .pdf.")
@click.option("--json", "json_path", type=PATH, metavar="FILE", help="Write the numbers there.")
@click.option("--beam-size", type=int, metavar="N", help="Width of the search.  [default: the model's]")
@click.option(
    "--show",
    metavar="KINDS",
    help="What of the decoder to draw, of gates,memory,hidden.  [default: what it has]",
)
def explain(photo, model, output, json_path, beam_size, show):
    """Show how a caption came about, word by word.

    For every word where the decoder looked, what else it might have said, and what its gates and its memory did
    meanwhile; and the captions that the search turned down. Prints the caption.

    Example: captioner explain photo.jpg -o explain.png
    """
    from captioner.errors import OptionsError
    from captioner.files import check_target
    from captioner.options import DecodingOptions

    if output is None and json_path is None:
        raise OptionsError("say where to write: -o FILE.png, --json FILE, or both")
    if show is not None and output is None:
        raise OptionsError("--show goes with -o")
    decoding_options(DecodingOptions(), beam_size)  # refuses what makes no sense before a model loads
    from captioner.outputs.pages import page_format

    if output is not None:
        page_format(output)
    for option, path in (("-o", output), ("--json", json_path)):
        if path is not None and _is_same(path, photo):
            raise OptionsError(f"{option} {path} is the photo itself")
    if output is not None and json_path is not None and _is_same(output, json_path):
        raise OptionsError(f"-o and --json both name {output}")
    for path in (output, json_path):
        if path is not None:
            check_target(path)
    explanation, kinds = _explained(photo, model, beam_size, show)
    if output is not None:
        from captioner.outputs.explanation_figure import draw_explanation

        missing = draw_explanation(explanation, output, kinds)
        if missing:
            say(f"no font here has {_some(missing)}: drawn as boxes; install one that has them, such as Noto Sans CJK")
    if json_path is not None:
        from captioner.files import write_json
        from captioner.outputs.explanation_records import explanation_record

        write_json(json_path, explanation_record(explanation, str(photo)))
    echo(explanation.caption)
    return 0


def _explained(photo, model, beam_size, show):
    """The explanation, and the kinds to draw, None for all."""
    from captioner.explaining import check_kinds, explain
    from captioner.inference import Captioner
    from captioner.presets import open_model

    without_pillow_s_warnings()
    kinds = None if show is None else tuple(kind.strip() for kind in show.split(","))
    folder = open_model(model)
    if kinds is not None:
        check_kinds(folder.network.decoder, kinds)
    with without_native_chatter():
        explanation = explain(Captioner(folder), photo, decoding_options(folder.decoding, beam_size))
    return explanation, kinds


def _is_same(path, other) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _some(characters: str, most: int = 10) -> str:
    return characters if len(characters) <= most else f"{characters[:most]}... ({len(characters)} characters)"
