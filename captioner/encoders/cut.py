"""An encoder in two: the trunk that stays as it is, and the rest that fine-tuning trains."""

import keras
from keras import ops


def cut_encoder(encoder: keras.Model, layer_name: str) -> tuple[keras.Model, keras.Model]:
    """`(trunk, rest)`, one the encoder up to that layer, the other what follows; both share the encoder's layers.

    trunk: image (batch, S, S, 3) uint8 -> activations (batch, positions, channels) float32, position by position
    rest: activations -> features (batch, regions, depth) float32
    Batch normalisation in `rest` is no longer trainable: it keeps its statistics, its scale and its shift.
    """
    # not the layer's own `output`: of a nested network that is a tensor inside it
    grid = keras.Operation.output.fget(encoder.get_layer(layer_name))
    height, width, channels = grid.shape[1:]
    trunk = keras.Model(encoder.input, ops.reshape(grid, (-1, height * width, channels)), name="trunk")
    activations = keras.Input((height * width, channels), name="activations")
    behind = keras.Model(grid, encoder.output)
    rest = keras.Model(activations, behind(ops.reshape(activations, (-1, height, width, channels))), name="rest")
    for layer in behind.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return trunk, rest
