"""How surprised a network is by captions that people wrote of photos it does not learn from."""

import tensorflow as tf

from captioner.model import CaptionNetwork, Packing
from captioner.training.batches import TeacherForcing
from captioner.training.loss import weighted_loss

_PHOTOS_AT_ONCE = 32


class TeacherForcedLoss:
    """The mean cross-entropy of a token in nats, every word being told of the given words before it.

    Without label smoothing and with nothing dropped, so that it is the network's own perplexity, exp of it, whatever
    it was trained with. Nothing is learned, and no random number drawn: training goes on as if it had not been asked.
    """

    def __init__(self, network: CaptionNetwork, lessons: TeacherForcing):
        """lessons: the captions that are asked about, cut as those of training are; of photos as the network sees."""
        self._network, self._lessons = network, lessons
        grid = tf.TensorSpec((None, None, None), tf.int32)
        features = tf.TensorSpec((None, network.num_regions, network.depth), tf.float32)
        weights = tf.TensorSpec((None, None, None), tf.float32)
        self._sum = tf.function(self._sum_of, input_signature=[features, grid, grid, weights])

    def __call__(self) -> float:
        """Of the network as it stands."""
        total = 0.0
        for batch in self._lessons.epoch(_PHOTOS_AT_ONCE, seed=0, epoch=0):
            total += float(self._sum(batch.features, batch.tokens, batch.targets, batch.weights))
        return total / self._lessons.num_tokens

    def _sum_of(self, features, tokens, targets, weights):
        packing = Packing.of(tf.math.count_nonzero(weights, axis=-1, dtype=tf.int32), tf.shape(tokens)[2])
        logits = self._network(features, tokens, packing=packing, training=False)
        return weighted_loss(logits, packing.pack(targets), packing.pack(weights), label_smoothing=0.0)
