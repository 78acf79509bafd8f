"""Teacher forcing as one would plainly write it in TensorFlow and Keras: what the trainer's speed is measured against.

The same network as captioner's (its layers, whole captions through Keras's own recurrent layer, one attention and
one vocabulary product a batch), the same loss, Adam, clipping and averaged weights, compiled into a graph. Photos come
in a random order, captions are padded to the longest of their batch, everything else is left to the libraries.
"""

import captioner.training_stack  # noqa: F401, I001  (before Keras)
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from captioner.model import CaptionNetwork, Packing


class PlainNetwork(keras.Model):
    """An LSTM with attention over the regions; logits of every next token, padding included."""

    def __init__(self, vocabulary_size: int, num_regions: int, units=512, embedding_dim=256, dropout=0.5):
        super().__init__()
        self.num_regions, self.units = num_regions, units
        self.value_projection = layers.Dense(units)
        self.region_position = layers.Embedding(num_regions, units)
        self.value_dropout = layers.Dropout(dropout)
        self.initial_state = layers.Dense(2 * units, activation="tanh")
        self.embedding = layers.Embedding(vocabulary_size, embedding_dim)
        self.embedding_dropout = layers.Dropout(dropout)
        self.lstm = layers.LSTM(units, return_sequences=True)
        self.key_projection = layers.Dense(units, use_bias=False)
        self.query_projection = layers.Dense(units, use_bias=False)
        self.combination = layers.Dense(units, activation="tanh")
        self.output_dropout = layers.Dropout(dropout)
        self.vocabulary_projection = layers.Dense(vocabulary_size)

    def call(self, features, tokens, training=False):
        """features: (photos, regions, depth); tokens: (photos, captions, time)
        -> (photos, captions * time, vocabulary)
        """
        num_photos, num_captions, num_steps = ops.shape(tokens)
        values = self.value_projection(features) + self.region_position(ops.arange(self.num_regions))
        values = self.value_dropout(ops.relu(values), training=training)
        state = ops.repeat(self.initial_state(ops.mean(values, axis=1)), num_captions, axis=0)
        embedded = self.embedding_dropout(self.embedding(tokens), training=training)
        embedded = ops.reshape(embedded, (num_photos * num_captions, num_steps, -1))
        hidden = self.lstm(embedded, initial_state=ops.split(state, 2, axis=-1))
        hidden = ops.reshape(hidden, (num_photos, num_captions * num_steps, self.units))
        scores = ops.matmul(self.query_projection(hidden), ops.transpose(self.key_projection(values), (0, 2, 1)))
        seen = ops.matmul(ops.softmax(scores / self.units**0.5, axis=-1), values)
        spoken = self.combination(ops.concatenate([hidden, seen], axis=-1))
        return self.vocabulary_projection(self.output_dropout(spoken, training=training))


def plain_step(network: PlainNetwork, num_regions: int, depth: int):
    """A compiled function `(features, tokens, targets, weights) -> loss` that learns from one padded batch."""
    network(np.zeros((1, num_regions, depth), np.float32), np.zeros((1, 1, 1), np.int32))

    def logits_and_targets(features, tokens, targets, weights):
        logits = network(features, tokens, training=True)  # (photos, captions * time, vocabulary)
        places = tf.shape(logits)[:2]
        return logits, tf.reshape(targets, places), tf.reshape(weights, places)

    return _compiled(network, logits_and_targets, num_regions, depth)


def packed_step(network: CaptionNetwork):
    """The same around captioner's own network, which computes no padding."""

    def logits_and_targets(features, tokens, targets, weights):
        packing = Packing.of(tf.math.count_nonzero(weights, axis=-1, dtype=tf.int32), tf.shape(tokens)[2])
        logits = network(features, tokens, packing=packing, training=True)  # (rows, vocabulary)
        return logits, packing.pack(targets), packing.pack(weights)

    return _compiled(network, logits_and_targets, network.num_regions, network.depth)


def _compiled(network, logits_and_targets, num_regions: int, depth: int):
    optimizer = keras.optimizers.Adam(6e-4, global_clipnorm=5.0, use_ema=True, ema_momentum=0.997)
    optimizer.build(network.trainable_variables)
    captions = (None, None, None)
    signature = [tf.TensorSpec((None, num_regions, depth), tf.float32)]
    signature += [tf.TensorSpec(captions, kind) for kind in (tf.int32, tf.int32, tf.float32)]

    @tf.function(input_signature=signature)
    def step(features, tokens, targets, weights):
        with tf.GradientTape() as tape:
            logits, wanted, counts = logits_and_targets(features, tokens, targets, weights)
            wanted = 0.9 * tf.one_hot(wanted, logits.shape[-1]) + 0.1 / logits.shape[-1]  # smoothed labels
            losses = -tf.reduce_sum(wanted * tf.nn.log_softmax(logits), axis=-1)
            loss = tf.reduce_sum(losses * counts) / tf.reduce_sum(counts)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step
