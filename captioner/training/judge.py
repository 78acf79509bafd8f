"""The network as it stands, judged on the dev split between epochs: what it says, and how surprised it is."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from captioner.datasets import Example
from captioner.decoding import beam_search
from captioner.inference import replay_captions
from captioner.metrics import sentence_scores
from captioner.model import CaptionNetwork
from captioner.scoring import tally_examples
from captioner.search_rules import search_rules
from captioner.training.batches import TeacherForcing
from captioner.training.dev_loss import TeacherForcedLoss
from captioner.training.run import Run
from captioner.training.samples import NUM_SAMPLES, Said

_PHOTOS_AT_ONCE = 64
_BEAM_SIZE = 3  # the finished model is scored with its own


class DevJudge:
    """Captions the dev photos by beam search over Keras; says nothing where there is no dev split."""

    def __init__(self, network: CaptionNetwork, run: Run, encoder):
        """encoder: whose features the network reads, as `Dataset.features_of` asks for it."""
        self.examples: list[Example] = run.dataset.split("dev") if "dev" in run.dataset.splits else []
        self.said: list[Said] = []  # of the first examples, when they were last scored
        self.photo_scores: list[float] = []  # CIDEr-D of each example's caption then, a fraction
        self._tokenizer, self._options = run.tokenizer, replace(run.decoding, beam_size=_BEAM_SIZE)
        self._rules = search_rules(self._options, self._tokenizer)
        if self.examples:
            self._features, self._rows = run.dataset.features_of(self.examples, encoder)
            given = TeacherForcing(self.examples, self._features, self._rows, run.tokenizer, run.training.max_tokens)
            self._loss = TeacherForcedLoss(network, given)
        self._begin = tf.function(network.begin, reduce_retracing=True)
        self._step = tf.function(network.step, reduce_retracing=True)

    def scores(self) -> dict[str, float]:
        """`dev_loss` in nats a token; BLEU-1 to -4, ROUGE-L and CIDEr-D as fractions; empty without a dev split."""
        if not self.examples:
            return {}
        spoken = []
        for start in range(0, len(self.examples), _PHOTOS_AT_ONCE):
            features = self._features[self._rows[start : start + _PHOTOS_AT_ONCE]]
            found = beam_search(self.step, self.begin(features), self._options, self._rules)
            spoken += (hypotheses[0].tokens for hypotheses in found)
        self.said = self._look_again(spoken[:NUM_SAMPLES])
        tally = tally_examples(self.examples, [self._tokenizer.decode(tokens) for tokens in spoken])
        self.photo_scores = sentence_scores(tally)["cider"].tolist()
        return {"dev_loss": self._loss()} | tally.scores()

    def _look_again(self, captions: list[tuple[int, ...]]) -> list[Said]:
        """The captions of the first photos, with where the network looked."""
        replays = replay_captions(self, self._features[self._rows[: len(captions)]], captions)
        return [
            Said(
                tuple(self._tokenizer.decode_words(tokens)),
                None if replay.attention is None else replay.attention[: len(tokens)],
            )
            for tokens, replay in zip(captions, replays, strict=True)
        ]

    def begin(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """As of `captioner.inference.Decoder`, and so is `step`."""
        return _to_numpy(self._begin(tf.constant(features, tf.float32)))

    def step(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return _to_numpy(self._step(**{name: tf.constant(value) for name, value in inputs.items()}))


def _to_numpy(outputs: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: tf.cast(value, tf.float32).numpy() for name, value in outputs.items()}
