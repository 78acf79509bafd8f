"""`captioner export`"""

import click

from captioner.cli.shared import PATH, load_captioner, say
from captioner.exporting import DESCRIPTION, FORMATS
from captioner.quiet import without_native_chatter


@click.command()
@click.argument("model")
@click.argument("output", type=PATH)
@click.option(
    "--format",
    "-f",
    "format_name",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="For TensorFlow, for ONNX Runtime, or for LiteRT.",
)
def export(model, output, format_name):
    """Write a model for programs that do without captioner.

    MODEL is a shipped model or a model folder; OUTPUT is a folder, new or empty.

    Example: captioner export flickr8k exported --format onnx
    """
    from captioner.exporting import export_model

    captioner = load_captioner(model)
    with without_native_chatter():
        export_model(captioner, output, format_name)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    say(f"{output}: {captioner.name} as {format_name}, {size / 1e6:.1f} MB; {DESCRIPTION} says how to run it")
    return 0
