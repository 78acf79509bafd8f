"""How good captions are: BLEU, ROUGE-L and CIDEr-D, with the figures of the official COCO scorer."""

from captioner.metrics.bleu import corpus_bleu
from captioner.metrics.characters import character_tokenize
from captioner.metrics.cider import CiderScorer
from captioner.metrics.ptb import ptb_tokenize
from captioner.metrics.rouge import rouge_l
from captioner.metrics.scores import SCORE_NAMES, TOKENIZERS, choose_tokenizer, score_captions

__all__ = [
    "SCORE_NAMES",
    "TOKENIZERS",
    "CiderScorer",
    "character_tokenize",
    "choose_tokenizer",
    "corpus_bleu",
    "ptb_tokenize",
    "rouge_l",
    "score_captions",
]
