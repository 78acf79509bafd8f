"""`captioner evaluate`"""

import json

import click

from captioner.cli.shared import (
    PATH,
    bootstrap_options,
    decoding_options,
    load_captioner,
    model_option,
    official_options,
    progress_bar,
    say,
    say_report,
    shown,
)


@click.command()
@click.argument("data_dir", type=PATH)
@model_option
@click.option(
    "--split", type=click.Choice(["train", "dev", "test"]), default="test", show_default=True, help="Photos to score."
)
@click.option("--source", metavar="NAME", help="Only photos of this source, where DATA_DIR was mixed.")
@click.option("--beam-size", type=int, metavar="N", help="Width of the search.  [default: the model's]")
@click.option("--predictions-out", type=PATH, metavar="FILE", help="Write the captions as JSON Lines.")
@click.option("--json", "json_path", type=PATH, metavar="FILE", help="Write the scores there, too.")
@click.option(
    "--html",
    "html_path",
    type=PATH,
    metavar="FILE",
    help="Write a page of all photos: captions, references, scores, attention.",
)
@click.option(
    "--fail-under",
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit with 1 when a score is below VALUE, a fraction; may be repeated.",
)
@official_options
@bootstrap_options
def evaluate(
    data_dir, model, split, source, beam_size, predictions_out, json_path, html_path, fail_under, official, bootstrap
):
    """Score a model on a split of a prepared dataset.

    Prints JSON: corpus BLEU-1 to -4, ROUGE-L and CIDEr-D as fractions, against all references, with intervals of 95%
    over photos drawn again; and how the captions read: distinct ones, mean words, shares of broken endings, of
    repeated phrases and of those that are said word for word in a train caption.

    --html makes one page that opens offline: each photo with its references, the caption, what that caption scores by
    itself, and where the network looked at each of its words; to be sorted by score, and searched for words.

    Example: captioner evaluate data/flickr8k --split dev --model runs/lstm --html report.html
    """
    from captioner.datasets import Dataset
    from captioner.evaluation import caption_and_replay, caption_examples
    from captioner.files import check_target, write_json, write_text
    from captioner.metrics import SCORE_NAMES, check_official
    from captioner.scoring import score_report, tally_examples

    floors = [_parse_floor(text, SCORE_NAMES + official) for text in fail_under]
    for name in official:
        check_official(name)
    if html_path is not None:
        check_target(html_path)
    dataset = Dataset.open(data_dir)
    examples = dataset.split(split, source)
    captioner = load_captioner(model)
    options = decoding_options(captioner.folder.decoding, beam_size=beam_size)
    replays = None
    with progress_bar(len(examples), "photos", "captioning") as bar:
        run = captioner, dataset, examples, options, lambda done, _: bar.update(done - bar.n)
        if html_path is None:
            captions = caption_examples(*run)
        else:
            captions, replays = zip(*caption_and_replay(*run), strict=True)
    texts = [caption.text for caption in captions]
    known = [text for example in dataset.examples if example.split == "train" for text in example.captions]
    tally = tally_examples(examples, texts, official)
    report = score_report(examples, texts, tally, bootstrap, known)
    of_source = {} if source is None else {"source": source}
    result = {"model": captioner.name, "split": split, **of_source, "beam_size": options.beam_size} | report
    if predictions_out is not None:
        lines = [
            json.dumps({"image": example.image, "caption": text}, ensure_ascii=False)
            for example, text in zip(examples, texts, strict=True)
        ]
        write_text(predictions_out, "\n".join(lines) + "\n")
    if json_path is not None:
        write_json(json_path, result)
    if html_path is not None:
        from captioner.outputs.report import pictures_of, report_content, write_page

        content = report_content(result, examples, captions, replays, tally, captioner.tokenizer)
        pictures = pictures_of(map(dataset.photo_path, examples), replays)
        write_page(html_path, content, shown(pictures, len(examples), "photos", "drawing"))
    click.echo(json.dumps(result, indent=2))
    say_report(result)
    missed = [f"{name} is {result[name]:.4f}, below {floor:g}" for name, floor in floors if result[name] < floor]
    for line in missed:
        say(f"failed: {line}")
    return 1 if missed else 0


def _parse_floor(text: str, score_names: tuple[str, ...]) -> tuple[str, float]:
    from captioner.errors import OptionsError

    name, _, value = text.partition("=")
    try:
        floor = float(value)
    except ValueError:
        floor = None
    if name not in score_names or floor is None:
        raise OptionsError(f"--fail-under takes METRIC=VALUE with one of {', '.join(score_names)}, not {text!r}")
    return name, floor
