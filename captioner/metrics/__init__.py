"""How good captions are: BLEU, ROUGE-L and CIDEr-D, with the figures of the official COCO scorer."""

from captioner.metrics.bleu import corpus_bleu
from captioner.metrics.bootstrap import LEVEL, Difference, interval, paired_differences, resampled_scores
from captioner.metrics.characters import character_tokenize
from captioner.metrics.cider import CiderScorer
from captioner.metrics.official import OFFICIAL_SCORES, check_official
from captioner.metrics.ptb import ptb_tokenize
from captioner.metrics.rouge import rouge_l
from captioner.metrics.scores import (
    SCORE_NAMES,
    TOKENIZERS,
    choose_tokenizer,
    describe_counts,
    score_captions,
    tally_captions,
    tokenizer_name,
)
from captioner.metrics.sentences import sentence_scores, smoothed_bleu
from captioner.metrics.tally import Part, Tally, tally_tokens
from captioner.metrics.wording import ends_broken, repeats_itself, wording

__all__ = [
    "LEVEL",
    "OFFICIAL_SCORES",
    "SCORE_NAMES",
    "TOKENIZERS",
    "CiderScorer",
    "Difference",
    "Part",
    "Tally",
    "character_tokenize",
    "check_official",
    "choose_tokenizer",
    "corpus_bleu",
    "describe_counts",
    "ends_broken",
    "interval",
    "paired_differences",
    "ptb_tokenize",
    "repeats_itself",
    "resampled_scores",
    "rouge_l",
    "score_captions",
    "sentence_scores",
    "smoothed_bleu",
    "tally_captions",
    "tally_tokens",
    "tokenizer_name",
    "wording",
]
