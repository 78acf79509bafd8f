"""The loss of teacher forcing."""

from keras import ops


def caption_loss(logits, targets, weights, label_smoothing: float):
    """The mean cross-entropy of a target token in nats, over the positions that weigh something.

    The targets are smoothed towards the uniform distribution (Szegedy et al. 2016, section 7).
    logits: (..., vocabulary) float; targets: (...) int; weights: (...) float, not all 0 -> scalar float32.
    """
    logits = ops.cast(logits, "float32")
    log_normalizer = ops.logsumexp(logits, axis=-1)
    target_logits = ops.squeeze(ops.take_along_axis(logits, targets[..., None], axis=-1), axis=-1)
    smoothed = (1 - label_smoothing) * target_logits + label_smoothing * ops.mean(logits, axis=-1)
    return ops.sum((log_normalizer - smoothed) * weights) / ops.sum(weights)
