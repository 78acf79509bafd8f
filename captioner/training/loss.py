"""What training makes smaller."""

import tensorflow as tf


def weighted_loss(logits, targets, weights, label_smoothing: float):
    """The sum of each position's weight times the cross-entropy of its target, in nats.

    The targets are smoothed towards the uniform distribution (Szegedy et al. 2016, section 7).
    logits: (..., vocabulary) float; targets: (...) int; weights: (...) float -> scalar float32.
    With advantages for weights its gradient is that of REINFORCE (Williams 1992): what was said gets likelier where
    its advantage is above 0, and less likely below.
    """
    logits = tf.cast(logits, tf.float32)
    losses = _smoothed_cross_entropy(logits, tf.convert_to_tensor(targets), tf.constant(label_smoothing, tf.float32))
    return tf.reduce_sum(losses * weights)


@tf.custom_gradient
def _smoothed_cross_entropy(logits, targets, smoothing):
    """(...) float32. Its gradient, probabilities less smoothed targets, is written down: one pass over the logits."""
    log_probs = tf.nn.log_softmax(logits)
    target_log_probs = tf.gather(log_probs, targets, batch_dims=targets.shape.rank)
    losses = -(1 - smoothing) * target_log_probs - smoothing * tf.reduce_mean(log_probs, axis=-1)

    def gradient(upstream):
        vocabulary_size = tf.shape(logits)[-1]
        rest = smoothing / tf.cast(vocabulary_size, tf.float32)
        smoothed = tf.one_hot(targets, vocabulary_size, 1 - smoothing + rest, rest)
        return (tf.exp(log_probs) - smoothed) * upstream[..., None], None, None

    return losses, gradient
