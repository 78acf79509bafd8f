"""`captioner prepare`"""

import click

from captioner.cli.shared import PATH, list_failures, parse_shares, progress_bar, say


@click.command()
@click.argument("source", type=PATH)
@click.argument("output_dir", type=PATH)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", "flickr8k", "sidecar"]),
    default="auto",
    show_default=True,
    help="How the captions are laid out.",
)
@click.option("--captions", type=PATH, metavar="FILE", help="A caption file in place of the dataset's own.")
@click.option("--images", type=PATH, metavar="DIR", help="The photo folder, where it is not found by itself.")
@click.option("--encoder", default="efficientnet-lite2", show_default=True, help="The pretrained CNN.")
@click.option(
    "--min-count",
    type=int,
    default=5,
    show_default=True,
    metavar="N",
    help="Times a word is seen in train captions before it is learned.",
)
@click.option(
    "--split",
    "shares",
    default="0.8,0.1,0.1",
    show_default=True,
    metavar="SHARES",
    help="Train, dev and test shares, where the dataset has no splits.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Decides those splits.")
def prepare(source, output_dir, format_name, captions, images, encoder, min_count, shares, seed):
    """Read a dataset, encode its photos, learn its vocabulary.

    The photos stay where they are. A run that was interrupted goes on where it stopped.

    Example: captioner prepare path/to/flickr8k data/flickr8k
    """
    import warnings

    from captioner.cli.encoders import open_encoder
    from captioner.datasets import prepare as prepare_dataset
    from captioner.datasets import read_annotations
    from captioner.inference import default_threads
    from captioner.options import PrepareOptions

    warnings.filterwarnings("ignore", module="PIL")  # what matters of them is a problem of the dataset
    options = PrepareOptions(format_name, encoder, min_count, parse_shares(shares), seed)
    runner = open_encoder(encoder)
    found_format, annotations = read_annotations(source, format_name, captions, images)
    say(f"{source}: format {found_format}, {len(annotations.examples)} photos with captions")
    with progress_bar(len(annotations.examples), "photos", "encoding") as bar:
        dataset = prepare_dataset(
            annotations,
            found_format,
            source,
            output_dir,
            options,
            runner,
            threads=default_threads(),
            report=lambda done, total: bar.update(done - bar.n),
        )
    for split, counts in dataset.info["counts"].items():
        click.echo(f"{split}: {counts['photos']} photos, {counts['captions']} captions")
    click.echo(f"vocabulary: {len(dataset.tokenizer)} tokens")
    problems = dataset.info["problems"]
    _tell_problems([p for p in problems if not p["lost"]], "left out")
    lost = [p for p in problems if p["lost"]]
    _tell_problems(lost, "failed")
    return 1 if lost else 0


def _tell_problems(problems: list[dict], word: str) -> None:
    if problems:
        kinds = {kind: sum(p["kind"] == kind for p in problems) for kind in sorted({p["kind"] for p in problems})}
        say(f"{word}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
        lines = [f"{p['kind']}: {p['where']}" + (f" ({p['detail']})" if p["detail"] else "") for p in problems]
        list_failures(lines, word)
