"""Self-critical training (Rennie et al. 2017): the network speaks, and learns from how what it said scores.

Several captions are drawn for a photo, and each is measured against the mean score of the others (Luo 2020, "A Better
Variant of Self-Critical Sequence Training", arXiv 2003.09971), so that no greedy search is needed. The score is
CIDEr-D over token ids, the end token included: without it, captions that break off are not punished.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from captioner.datasets import Example
from captioner.metrics import CiderScorer
from captioner.model import CaptionNetwork
from captioner.options import SelfCriticalOptions, TrainingOptions
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer
from captioner.training.batches import Batch
from captioner.training.devices import EveryDevice, OneDevice
from captioner.training.loss import weighted_loss
from captioner.training.teacher_forcing import ONE_DEVICE, Trainer


class Reward:
    """CIDEr-D of captions in token ids, with the document frequencies of the train captions, the end included."""

    def __init__(self, examples: Sequence[Example], tokenizer: Tokenizer):
        captions = ([[*tokenizer.encode(text), END_ID] for text in example.captions] for example in examples)
        self._scorer = CiderScorer(list(captions))

    def __call__(self, batch: Batch, tokens: np.ndarray) -> np.ndarray:
        """tokens: (P, S, T) int32, padded behind the end -> (P, S) float, 0 to 10.

        The references are the batch's own captions, so that photos in a mirror are measured against what is said there.
        """
        rewards = np.empty(tokens.shape[:2])
        for photo, (targets, weights, said) in enumerate(zip(batch.targets, batch.weights, tokens, strict=True)):
            references = [ids[weight > 0].tolist() for ids, weight in zip(targets, weights, strict=True) if weight[0]]
            captions = [ids[ids != PAD_ID].tolist() for ids in said]
            rewards[photo] = self._scorer.scores_against(references, captions)
        return rewards


class SelfCriticalTrainer(Trainer):
    """A trainer whose step draws captions, scores them, and makes likelier what scored better than the others."""

    measure = "reward"

    def __init__(
        self,
        network: CaptionNetwork,
        options: TrainingOptions,
        objective: SelfCriticalOptions,
        reward: Callable[[Batch, np.ndarray], np.ndarray],
        num_steps: int,
        factor_of: Callable[[keras.Variable], float] = lambda variable: 1.0,
        devices: OneDevice | EveryDevice = ONE_DEVICE,
    ):
        """reward: `(batch, tokens: (P, S, T)) -> (P, S)`. The rest as of `Trainer`."""
        super().__init__(network, options, num_steps, factor_of, devices)
        self._objective, self._reward = objective, reward
        features, *_ = self._signature()
        seed = tf.TensorSpec((2,), tf.int32)
        self._compiled_speech = tf.function(self._speak, input_signature=[features, seed]).get_concrete_function()

    def step(self, batch: Batch) -> float:
        """Learns from one batch; the mean reward of what was said; NaN where a gradient is not finite."""
        tokens = self.speak(batch.features)
        rewards = self._reward(batch, tokens)
        loss = super().step(with_spoken(batch, tokens, advantages(rewards), self._objective.cross_entropy_share))
        return float(rewards.mean()) if np.isfinite(loss) else loss

    def speak(self, features: np.ndarray) -> np.ndarray:
        """features: (P, regions, depth) float32 -> (P, S, T) int32, padded behind the end; one draw a step."""
        seed = [self.options.seed % 2**31, int(np.array(self.optimizer.iterations))]
        return self._compiled_speech(tf.constant(features), tf.constant(seed, tf.int32)).numpy()

    def _speak(self, features, seed):
        image = self.network.begin(features)
        num_photos, num_samples = tf.shape(features)[0], self._objective.samples
        state = tf.repeat(image.pop("state")[:, None], num_samples, axis=1)
        token = tf.fill((num_photos, num_samples), START_ID)
        max_tokens = self.options.max_tokens
        said = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=(None, num_samples))
        seeds = tf.random.experimental.stateless_split(seed, max_tokens)
        never = tf.reduce_sum(tf.one_hot([PAD_ID, START_ID, UNK_ID], self.network.vocabulary_size, on_value=-1e9), 0)
        has_ended = tf.zeros((num_photos, num_samples), tf.bool)
        for time in tf.range(max_tokens):
            outputs = self.network.step(token, state, **image)
            logits = tf.reshape(outputs["log_probs"] + never, (-1, self.network.vocabulary_size))
            token = tf.random.stateless_categorical(logits, 1, seeds[time], tf.int32)
            token = tf.where(has_ended, PAD_ID, tf.reshape(token, (num_photos, num_samples)))
            said, state = said.write(time, token), outputs["state"]
            has_ended |= token == END_ID
            if tf.reduce_all(has_ended):
                break
        return tf.transpose(said.stack(), (1, 2, 0))

    def _share_of(self, weights):
        return 1.0  # the weights of `with_spoken` are shares already

    def _loss(self, logits, targets, weights):
        return weighted_loss(logits, targets, weights, label_smoothing=0.0)


def advantages(rewards: np.ndarray) -> np.ndarray:
    """(P, S): how much better each caption of a photo is than the mean of its others."""
    num_samples = rewards.shape[1]
    return (rewards - rewards.mean(axis=1, keepdims=True)) * num_samples / (num_samples - 1)


def with_spoken(batch: Batch, tokens: np.ndarray, advantages: np.ndarray, cross_entropy_share: float) -> Batch:
    """The batch's captions and what was said side by side, weighted so that both losses are means over their tokens.

    tokens: (P, S, T) int32, padded; advantages: (P, S). A share of 0 leaves the batch's own captions out.
    """
    is_said = tokens != PAD_ID
    weights = (1 - cross_entropy_share) * (advantages[..., None] * is_said) / is_said.sum()
    fed = np.concatenate([np.full_like(tokens[..., :1], START_ID), tokens[..., :-1]], axis=-1)
    spoken = np.where(is_said, fed, PAD_ID), tokens, weights.astype(np.float32)
    if cross_entropy_share == 0:
        joined = spoken
    else:
        given = batch.tokens, batch.targets, cross_entropy_share * batch.weights / batch.weights.sum()
        joined = (_side_by_side(*pair) for pair in zip(spoken, given, strict=True))
    return replace(batch, **dict(zip(("tokens", "targets", "weights"), joined, strict=True)))


def _side_by_side(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(P, C, T) and (P, D, U) -> (P, C + D, longer of T and U), padded with 0."""
    num_steps = max(one.shape[-1], other.shape[-1])
    padded = (np.pad(array, ((0, 0), (0, 0), (0, num_steps - array.shape[-1]))) for array in (one, other))
    return np.concatenate(list(padded), axis=1)
