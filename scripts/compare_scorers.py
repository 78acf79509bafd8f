"""Our scores beside those of pycocoevalcap, on real captions: the same tokens, the same figures?

python scripts/compare_scorers.py path/to/flickr8k
python scripts/compare_scorers.py path/to/flickr8k --split dev --predictions predictions.jsonl

Without predictions the first reference of each photo is scored against its others. Every caption is tokenized by both
tokenizers, as it stands in the dataset and as people type it, "end." for "end .", and every difference is listed.
Needs `pip install 'captioner[coco]'` and Java; pycocoevalcap must lie in a folder that may be written to.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from captioner.datasets import Example
from captioner.metrics import OFFICIAL_SCORES, Tally, ptb_tokenize, tally_tokens
from captioner.scoring import read_predictions, read_references, select_photos

OFFICIAL: dict[str, Callable] = {
    "bleu_1 bleu_2 bleu_3 bleu_4": lambda gts, res: Bleu(4).compute_score(gts, res, verbose=0),
    "rouge_l": lambda gts, res: Rouge().compute_score(gts, res),
    "cider": lambda gts, res: Cider().compute_score(gts, res),
    "meteor": lambda gts, res: Meteor().compute_score(gts, res),
}


def official_tokens(captions: list[str]) -> list[list[str]]:
    """The official tokens of captions, which the official tokenizer reads as one stream."""
    found = PTBTokenizer().tokenize({number: [{"caption": caption}] for number, caption in enumerate(captions)})
    return [found[number][0].split() for number in range(len(captions))]


def compare_tokenizers(captions: list[str], title: str) -> None:
    official = official_tokens(captions)
    different = [
        (caption, ours, theirs)
        for caption, ours, theirs in zip(captions, map(ptb_tokenize, captions), official, strict=True)
        if ours != theirs
    ]
    share = 1 - len(different) / len(captions)
    print(f"{title}: {len(captions):,} captions, {share:.4%} with the same tokens, {len(different)} with others")
    for caption, ours, theirs in different:
        is_of_stream = official_tokens([caption])[0] == ours
        reason = "the next caption decides how this one is read" if is_of_stream else "a rule that is not imitated"
        print(f"  {caption!r}\n    ours:     {' '.join(ours)}\n    official: {' '.join(theirs)}\n    {reason}")


def compare_scores(captions: list[list[str]], references: list[list[list[str]]]) -> None:
    """Scores of the same tokens by both, and how far they are apart, photo by photo where a score has that."""
    tally = tally_tokens(captions, references)
    parts = (*tally.parts, OFFICIAL_SCORES["meteor"](captions, references))
    ours = Tally(parts, tally.references_per_photo).scores()
    gts = {number: [" ".join(tokens) for tokens in photo] for number, photo in enumerate(references)}
    res = {number: [" ".join(tokens)] for number, tokens in enumerate(captions)}
    print(f"{len(captions):,} photos, {sum(map(len, references)):,} references\n")
    print("score              ours      official    difference  largest of a photo")
    for (names, compute), part in zip(OFFICIAL.items(), parts, strict=True):
        scores, of_photos = compute(gts, res)
        each = part.combine(part.statistics.astype(float))  # (photos, names)
        apart = np.abs(each - np.array(of_photos, dtype=float).reshape(-1, len(captions)).T).max(axis=0)
        for name, score, largest in zip(names.split(), np.atleast_1d(scores), apart, strict=True):
            print(f"{name:<8} {ours[name]:14.10f} {score:14.10f}   {abs(ours[name] - score):9.1e}   {largest:9.1e}")


def predicted(path: Path | None, source: Path, split: str | None) -> tuple[list[Example], list[str]]:
    """Examples and a caption of each; without predictions the first reference, which is then none."""
    references = read_references(source)
    if path is None:
        examples = references.of_split(split) if split else references.examples
        examples = [example for example in examples if len(example.captions) > 1]
        others = [replace(example, captions=example.captions[1:]) for example in examples]
        return others, [example.captions[0] for example in examples]
    selection = select_photos(references, [read_predictions(path)], split, allow_partial=True)
    return selection.examples, selection.captions[0]


def typed(caption: str) -> str:
    return caption.replace(" .", ".").replace(" ,", ",").replace(" '", "'")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--split", choices=["train", "dev", "test"])
    arguments = parser.parse_args()
    examples, captions = predicted(arguments.predictions, arguments.source, arguments.split)
    everything = [caption for example in read_references(arguments.source).examples for caption in example.captions]
    compare_tokenizers(everything, "as in the dataset")
    compare_tokenizers(list(map(typed, everything)), "as people type")
    if arguments.predictions is not None:
        compare_tokenizers(captions, "predictions")
    compare_scores(
        list(map(ptb_tokenize, captions)), [list(map(ptb_tokenize, example.captions)) for example in examples]
    )
