"""All scores of a set of captions, and the tokens they are counted in."""

import re
from collections.abc import Callable, Iterable, Sequence

from captioner.errors import CaptionerError
from captioner.metrics.characters import character_tokenize
from captioner.metrics.official import OFFICIAL_SCORES
from captioner.metrics.ptb import ptb_tokenize
from captioner.metrics.tally import Tally, tally_tokens

SCORE_NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")

Tokenize = Callable[[str], list[str]]
TOKENIZERS: dict[str, Tokenize] = {"ptb": ptb_tokenize, "characters": character_tokenize}

# Thai to Tibetan, Myanmar, Khmer, Kana, Han.
_UNSPACED = "[\u0e01-\u0fff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"


def score_captions(
    predictions: dict[str, str], references: dict[str, list[str]], tokenize: Tokenize = ptb_tokenize
) -> dict:
    """Scores of one caption a photo against the photo's references, with the counts and the tokenizer's name.

    All scores are fractions (0.63 is 63 on the papers' scale); `cider` is CIDEr-D with document frequencies from
    `references`, and can exceed 1. Defined at the edges, too: an empty caption counts, as one without any token;
    captions that share no token with their references score 0 (BLEU up to 1e-6, by the official scorer's
    constants); with a single photo `cider` is 0, for no n-gram is rarer than another.
    Raises: CaptionerError if there are no photos, or naming a photo that has no caption or no references.
    """
    tally = tally_captions(predictions, references, tokenize)
    return tally.scores() | tally.counts() | {"tokenizer": tokenizer_name(tokenize)}


def tally_captions(
    predictions: dict[str, str],
    references: dict[str, list[str]],
    tokenize: Tokenize = ptb_tokenize,
    official: Sequence[str] = (),
) -> Tally:
    """What each photo adds to each score, the photos in the order of `predictions`.

    official: names of `OFFICIAL_SCORES` to be added, which start Java.
    Raises: as `score_captions`, and CaptionerError when an official score cannot be had.
    """
    _check_photos(predictions, references)
    captions = [tokenize(caption) for caption in predictions.values()]
    corpus = [[tokenize(reference) for reference in references[photo]] for photo in predictions]
    tally = tally_tokens(captions, corpus)
    parts = tuple(OFFICIAL_SCORES[name](captions, corpus) for name in official)
    return Tally(tally.parts + parts, tally.references_per_photo)


def describe_counts(scores: dict) -> str:
    """What stands behind scores: "1,000 photos, 5 references a photo, tokenizer ptb"."""
    mean = scores["num_references"] / scores["num_photos"]
    spread = scores.get("references_per_photo", {"min": mean, "max": mean})  # an older record has the sums alone
    references = f"{mean:g}"
    if spread["min"] != spread["max"]:
        references = f"{spread['min']} to {spread['max']} (mean {mean:.2f})"
    return f"{scores['num_photos']:,} photos, {references} references a photo, tokenizer {scores['tokenizer']}"


def choose_tokenizer(captions: Iterable[str]) -> Tokenize:
    """The tokenizer that suits the captions: characters if most of them hold a script without spaces, else PTB."""
    unspaced = [re.search(_UNSPACED, caption) is not None for caption in captions]
    return TOKENIZERS["characters" if sum(unspaced) > len(unspaced) / 2 else "ptb"]


def tokenizer_name(tokenize: Tokenize) -> str:
    names = {function: name for name, function in TOKENIZERS.items()}
    return names.get(tokenize, tokenize.__name__)


def _check_photos(predictions, references):
    if not predictions and not references:
        raise CaptionerError("nothing to score: there are neither captions nor references")
    for photo in references:
        if photo not in predictions:
            raise CaptionerError(f"no caption for photo {photo!r}; every photo with references needs one")
    for photo in predictions:
        if not references.get(photo):
            raise CaptionerError(f"no references for photo {photo!r}; every photo with a caption needs at least one")
