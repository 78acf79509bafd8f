"""One step of teacher forcing, compiled: loss, clipped gradients, Adam, averaged weights."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from captioner.model import CaptionNetwork, Packing
from captioner.options import TrainingOptions
from captioner.training.batches import Batch
from captioner.training.devices import EveryDevice, OneDevice
from captioner.training.loss import weighted_loss


def _best_precision() -> str:
    """bfloat16 where the processor multiplies it natively, float32 elsewhere: emulated, it is many times slower."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = set()
    is_native = bool({"avx512_bf16", "amx_bf16"} & flags) or bool(tf.config.list_physical_devices("GPU"))
    return "mixed_bfloat16" if is_native else "float32"


ONE_DEVICE = OneDevice()
_STEPS_AN_AVERAGE = 4  # between two moves of the averaged weights, which would cost as much as Adam itself

PRECISIONS = {"auto": _best_precision, "bfloat16": lambda: "mixed_bfloat16", "float32": lambda: "float32"}


@contextmanager
def computing_in(network: CaptionNetwork, policy: str):
    """Inside, the network's layers compute as the Keras dtype policy says; their weights stay float32."""
    layers = list(network._flatten_layers())
    previous = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy(policy)
        yield
    finally:
        for layer, policy_before in zip(layers, previous, strict=True):
            layer.dtype_policy = policy_before


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, by TensorFlow's one operation for it, which reads the weights once and not tenfold."""

    def __init__(self, learning_rate, factors: Sequence[float]):
        """factors: of the learning rate, one a variable."""
        super().__init__(learning_rate)
        self._factors = tuple(factors)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        moments, *numbers = self._arguments_of(index, learning_rate)
        self.move(variable, *moments, gradient, *numbers)

    def arguments_of(self, variables) -> list[tuple]:
        """Of each variable: its two moments, and then the numbers that `move` takes behind the gradient."""
        return [self._arguments_of(self._get_variable_index(each), self.learning_rate) for each in variables]

    def _arguments_of(self, index: int, learning_rate) -> tuple:
        step = tf.cast(self.iterations + 1, tf.float32)
        rate = tf.cast(learning_rate, tf.float32) * self._factors[index]
        moments = self._momentums[index].value, self._velocities[index].value
        return moments, self.beta_1**step, self.beta_2**step, rate

    def move(self, variable, momentum, velocity, gradient, beta1_power, beta2_power, rate) -> None:
        """One step of Adam for one variable, on the device that it is on."""
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


class Trainer:
    """A network being trained, with all the state a run needs to go on exactly where it was.

    measure: what `step` gives, as a row of the log calls it.
    """

    measure = "loss"

    def __init__(
        self,
        network: CaptionNetwork,
        options: TrainingOptions,
        num_steps: int,
        factor_of: Callable[[keras.Variable], float] = lambda variable: 1.0,
        devices: OneDevice | EveryDevice = ONE_DEVICE,
    ):
        """num_steps: steps in all, which the learning rate falls over. factor_of: variable -> its part of that rate.

        devices: in whose scope the network was made.
        """
        self.network = network
        self.options = options
        self._devices = devices
        warmup_steps = min(options.warmup_steps, num_steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            options.learning_rate * (1 if warmup_steps == 0 else 1e-2),
            max(1, num_steps - warmup_steps),
            warmup_target=options.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
        self.optimizer = FusedAdam(schedule, map(factor_of, network.trainable_variables))
        self.optimizer.build(network.trainable_variables)
        self.averages = [tf.Variable(v.value, trainable=False) for v in network.trainable_variables]
        with computing_in(network, PRECISIONS[options.precision]()):  # what is traced now computes so ever after
            self._compiled_step = tf.function(self._step, input_signature=self._signature()).get_concrete_function()

    def step(self, batch: Batch) -> float:
        """Learns from one batch; its loss, in nats a token, smoothing included; NaN where a gradient is not finite."""
        arrays = batch.features, batch.tokens, batch.targets, batch.weights
        return float(self._compiled_step(*map(tf.constant, arrays)))

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.learning_rate)

    def state(self) -> list[np.ndarray]:
        """Weights, averages, optimizer and dropout seeds, as arrays in a fixed order."""
        return [np.array(variable) for variable in self._variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        """Raises: ValueError when the state is that of another network."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def use_averages(self) -> list[np.ndarray]:
        """Puts the averaged weights into the network; gives back those that were there."""
        return self.use_weights([average.numpy() for average in self.averages])

    def use_weights(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Puts trainable weights into the network; gives back those that were there."""
        previous = [np.array(variable) for variable in self.network.trainable_variables]
        for variable, value in zip(self.network.trainable_variables, weights, strict=True):
            variable.assign(value)
        return previous

    def _variables(self):
        return [*self.network.variables, *self.averages, *self.optimizer.variables]

    def _signature(self):
        captions = (None, None, None)
        return [
            tf.TensorSpec((None, self.network.num_regions, self.network.depth), tf.float32),
            tf.TensorSpec(captions, tf.int32),
            tf.TensorSpec(captions, tf.int32),
            tf.TensorSpec(captions, tf.float32),
        ]

    def _step(self, features, tokens, targets, weights):
        share = 1 / self._share_of(weights)

        def local(features, tokens, targets, weights, counts):
            lengths = tf.math.count_nonzero(weights, axis=-1, dtype=tf.int32)
            packing = Packing.of(lengths, tf.shape(tokens)[2])
            with tf.GradientTape() as tape:
                logits = self.network(features, tokens, packing=packing, training=True)
                weights = packing.pack(weights * counts[:, None, None])
                loss = self._loss(logits, packing.pack(targets), weights) * share
            return loss, tape.gradient(loss, variables)

        variables = self.network.trainable_variables
        loss, gradients = self._devices.gradients(local, [features, tokens, targets, weights])
        gradients, norm = tf.clip_by_global_norm(gradients, self.options.clip_norm)
        self._devices.apply(self.optimizer, gradients, variables)
        steps = tf.cast(self.optimizer.iterations, tf.float32)
        tf.cond(steps % _STEPS_AN_AVERAGE == 0, lambda: self._average(steps), lambda: None)
        return tf.where(tf.math.is_finite(norm), loss, float("nan"))

    def _share_of(self, weights):
        """What the sum over a step's tokens is divided by, whichever devices they are on."""
        return tf.reduce_sum(weights)

    def _loss(self, logits, targets, weights):
        return weighted_loss(logits, targets, weights, self.options.label_smoothing)

    def _average(self, steps) -> None:
        """Moves the averages towards the weights, as far as a move after every step would have."""
        # the average of few steps is short, so that a short run is not held back by its random beginning
        decay = tf.minimum(self.options.ema_decay, (1 + steps) / (10 + steps)) ** _STEPS_AN_AVERAGE
        for average, variable in zip(self.averages, self.network.trainable_variables, strict=True):
            average.assign_sub((1 - decay) * (average - variable.value))
