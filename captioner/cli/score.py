"""`captioner score`"""

import json

import click

from captioner.cli.shared import PATH, bootstrap_options, list_failures, official_options, say, say_report


@click.command()
@click.argument("predictions", type=PATH)
@click.argument("references", type=PATH)
@click.option(
    "--against", type=PATH, metavar="FILE", help="Predictions of another system, tested against on the same photos."
)
@click.option(
    "--split",
    type=click.Choice(["train", "dev", "test"]),
    help="Photos to score.  [default: those of each split that PREDICTIONS name a photo of]",
)
@click.option(
    "--allow-partial", is_flag=True, help="Leave out photos without a prediction and predictions without a photo."
)
@click.option("--format", "format_name", default="auto", show_default=True, metavar="NAME", help="Of REFERENCES.")
@click.option("--captions", type=PATH, metavar="FILE", help="A caption file in place of that in REFERENCES.")
@click.option("--json", "json_path", type=PATH, metavar="FILE", help="Write the scores there, too.")
@official_options
@bootstrap_options
def score(
    predictions,
    references,
    against,
    split,
    allow_partial,
    format_name,
    captions,
    json_path,
    official,
    bootstrap,
):
    """Score any system's captions against what people wrote.

    PREDICTIONS is JSON Lines, {"image": NAME, "caption": TEXT} (or file_name and text, as `captioner caption -f
    jsonl` writes), COCO's results, [{"image_id": 139, "caption": TEXT}, ...], a JSON object {NAME: TEXT, ...}, or a
    .csv or .parquet file as `captioner caption` writes them. REFERENCES is a prepared dataset, a
    dataset's folder or its caption file; no photo is needed. Names match with or without folder and extension.

    Prints JSON: corpus BLEU-1 to -4, ROUGE-L and CIDEr-D as fractions, against all references, with intervals of 95%
    over photos drawn again. CIDEr-D takes its document frequencies from the references of the photos scored. An empty
    caption counts, as one without words; captions without a word in common score 0; over a single photo CIDEr-D is 0
    and intervals are points. With --against, a paired bootstrap says whether differences are beyond chance.

    Example: captioner score theirs.jsonl data/flickr8k --split dev --against ours.jsonl
    """
    from captioner.files import write_json
    from captioner.metrics import check_official
    from captioner.scoring import (
        difference_report,
        read_predictions,
        read_references,
        score_report,
        select_photos,
        tally_examples,
    )

    for name in official:
        check_official(name)
    paths = [predictions] if against is None else [predictions, against]
    systems = [read_predictions(path) for path in paths]
    truth = read_references(references, format_name, captions)
    selection = select_photos(truth, systems, split, allow_partial)
    tallies = [tally_examples(selection.examples, texts, official) for texts in selection.captions]
    reports = [
        {"predictions": str(path)} | score_report(selection.examples, texts, tally, bootstrap)
        for path, texts, tally in zip(paths, selection.captions, tallies, strict=True)
    ]
    result = reports[0] | {
        "references": str(references),
        "num_missing": selection.num_missing,
        "num_unmatched": selection.num_unmatched,
    }
    if against is not None:
        result["against"] = reports[1] | {"differences": difference_report(*tallies, bootstrap)}
    if json_path is not None:
        write_json(json_path, result)
    click.echo(json.dumps(result, indent=2))
    say_report(result)
    if selection.num_missing or selection.num_unmatched:
        num_photos = len(selection.examples) + selection.num_missing
        num_predictions = sum(len(system.records) for system in systems)
        say(
            f"left out: {selection.num_missing:,} of {num_photos:,} photos, without a prediction;"
            f" {selection.num_unmatched:,} of {num_predictions:,} predictions, without a photo"
        )
    list_failures([str(problem) for problem in truth.problems])
    return 1 if truth.problems else 0
