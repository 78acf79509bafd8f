"""One device, or every one that this machine has: where a step's photos are computed, and the weights that they move.

Keras 3 trains on several machines with JAX alone (keras-team/keras#20585); several devices of one machine it leaves to
`tf.distribute.MirroredStrategy`, which keeps a copy of every variable on each.
"""

from collections.abc import Callable
from contextlib import nullcontext

import tensorflow as tf

Local = Callable[..., tuple[tf.Tensor, list[tf.Tensor]]]


class OneDevice:
    """The first GPU, or else the processor."""

    count = 1

    def scope(self):
        """Inside, variables are made where they are needed."""
        return nullcontext()

    def gradients(self, local: Local, arrays: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """local: a step's arrays, photos first, and which of them count -> a sum over them and its gradients.

        Gives the sum and its gradients over all photos.
        """
        return local(*arrays, tf.ones(tf.shape(arrays[0])[0]))

    def apply(self, optimizer, gradients: list[tf.Tensor], variables: list) -> None:
        optimizer.apply(gradients, variables)


class EveryDevice:
    """Each takes its part of a step's photos; the gradients are summed, and every copy of the weights moved alike.

    All draw the same dropout masks, each for its own photos.
    """

    def __init__(self):
        kinds = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
        names = next([device.name for device in devices] for devices in kinds if devices)
        self.count = len(names)
        self._strategy = tf.distribute.MirroredStrategy(names)

    def scope(self):
        return self._strategy.scope()

    def gradients(self, local: Local, arrays: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        num_photos = tf.shape(arrays[0])[0]

        def replica():
            device = tf.distribute.get_replica_context().replica_id_in_sync_group
            start, end = num_photos * device // self.count, num_photos * (device + 1) // self.count
            counts = tf.fill([tf.maximum(end - start, 1)], tf.cast(end > start, tf.float32))
            start = tf.minimum(
                start, num_photos - 1
            )  # with fewer photos than devices some have one that counts nothing
            return local(*(array[start : tf.maximum(end, start + 1)] for array in arrays), counts)

        total, gradients = self._strategy.run(replica)
        summed = [self._strategy.reduce("SUM", each, axis=None) for each in (total, *gradients)]
        return summed[0], summed[1:]

    def apply(self, optimizer, gradients: list[tf.Tensor], variables: list) -> None:
        arguments = optimizer.arguments_of(variables)
        for gradient, variable, (moments, *numbers) in zip(gradients, variables, arguments, strict=True):
            self._strategy.extended.update(variable.value, optimizer.move, args=(*moments, gradient, *numbers))
        optimizer.iterations.assign_add(1)


DEVICES = {"one": OneDevice, "all": EveryDevice}
