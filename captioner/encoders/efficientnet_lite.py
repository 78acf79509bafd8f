"""EfficientNet-Lite: EfficientNet made to run fast without special hardware.

EfficientNet: Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks".
EfficientNet-Lite: the TensorFlow TPU repository (models/official/efficientnet/lite): without
squeeze-and-excitation; ReLU6 for swish; stem and head as wide, first and last stage as deep, at every scale.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

STEM_FILTERS = 32
HEAD_FILTERS = 1280
NORM_EPSILON = 1e-3

# By number, the last stages, and what brings their sums, which no ReLU6 holds, to the size of what the head gives:
# over photos the root mean square of the three is 5.0, 6.7 and 2.5, the head's 0.7.
STAGE_FACTORS = {5: 0.1, 6: 0.07, 7: 0.18}


@dataclass(frozen=True)
class Scale:
    """How a member of the family differs from EfficientNet-B0 (Tan & Le 2019, equation 3), and what is taken from it.

    has_stages: whether the features hold what the stages of `STAGE_FACTORS` give, and not only the head. The head
    is made to tell classes apart; what it drops for that, the stages before it still know (hypercolumns: Hariharan
    et al. 2015, section 3).
    """

    width: float
    depth: float
    image_size: int  # pixels a side
    has_stages: bool = False


@dataclass(frozen=True)
class Stage:
    """Blocks in a row that share a kernel size and a number of filters (Tan & Le 2019, table 1)."""

    num_blocks: int
    kernel_size: int
    stride: int  # of the first block; the others keep the resolution
    expansion: int
    filters: int


SCALES: dict[str, Scale] = {
    "efficientnet-lite0": Scale(width=1.0, depth=1.0, image_size=224),
    "efficientnet-lite1": Scale(width=1.0, depth=1.1, image_size=240),
    "efficientnet-lite2": Scale(width=1.1, depth=1.2, image_size=260),
    "efficientnet-lite2-320": Scale(width=1.1, depth=1.2, image_size=320, has_stages=True),
}

STAGES = (
    Stage(num_blocks=1, kernel_size=3, stride=1, expansion=1, filters=16),
    Stage(num_blocks=2, kernel_size=3, stride=2, expansion=6, filters=24),
    Stage(num_blocks=2, kernel_size=5, stride=2, expansion=6, filters=40),
    Stage(num_blocks=3, kernel_size=3, stride=2, expansion=6, filters=80),
    Stage(num_blocks=3, kernel_size=5, stride=1, expansion=6, filters=112),
    Stage(num_blocks=4, kernel_size=5, stride=2, expansion=6, filters=192),
    Stage(num_blocks=1, kernel_size=3, stride=1, expansion=6, filters=320),
)


def scaled_stages(scale: Scale) -> list[Stage]:
    """The stages of one member of the family: wider throughout, deeper but for the first and the last."""
    stages = []
    for index, stage in enumerate(STAGES):
        deepened = 0 < index < len(STAGES) - 1
        stages.append(
            Stage(
                num_blocks=math.ceil(stage.num_blocks * scale.depth) if deepened else stage.num_blocks,
                kernel_size=stage.kernel_size,
                stride=stage.stride,
                expansion=stage.expansion,
                filters=round_filters(stage.filters * scale.width),
            )
        )
    return stages


def round_filters(filters: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, or the next one up where rounding down would lose more than 10%."""
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * filters else rounded


def efficientnet_lite(name: str, num_classes: int | None = None) -> keras.Model:
    """One of `SCALES`, its weights drawn at random.

    image: (batch, S, S, 3) uint8, RGB 0-255; S is the scale's image size
    returns features: (batch, regions, depth) float32, regions row by row: the head's 1280, at least 0 and at most 6,
    behind what the stages before it give where the scale has them.
    With `num_classes`, the classifier the ImageNet weights were trained with instead: (batch, num_classes)
    float32 probabilities.
    """
    scale = SCALES[name]
    image = keras.Input((scale.image_size, scale.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale_pixels")(image)  # -127/128 to 1
    x = conv_norm(x, "stem", STEM_FILTERS, kernel_size=3, strides=2)  # S / 2
    outputs = {}  # of the stages, by number
    for number, stage in enumerate(scaled_stages(scale), start=1):
        for block in range(1, stage.num_blocks + 1):
            strides = stage.stride if block == 1 else 1
            x = inverted_residual(x, f"stage{number}_block{block}", stage, strides)
        outputs[number] = x
    x = conv_norm(x, "head", HEAD_FILTERS, kernel_size=1)  # (batch, S / 32, S / 32, 1280)
    if num_classes is None:
        if scale.has_stages:
            grids = [on_grid_of(x, outputs[number]) * factor for number, factor in STAGE_FACTORS.items()]
            x = layers.Concatenate(name="stages_and_head")([*grids, x])  # (batch, S / 32, S / 32, depth)
        # -1 and not the batch's own size: a constant shape keeps the exported graph static
        output = keras.ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))  # (batch, regions, depth)
    else:
        x = layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, 1280)
        output = layers.Dense(num_classes, activation="softmax", name="classifier")(x)
    return keras.Model(image, output, name=name.replace("-", "_"))


def on_grid_of(coarse: keras.KerasTensor, x: keras.KerasTensor) -> keras.KerasTensor:
    """x, each region of `coarse` being the mean of those it covers; x as it is where the grids are the same."""
    stride = -(-x.shape[1] // coarse.shape[1])
    return x if stride == 1 else layers.AveragePooling2D(stride, padding="same")(x)


def inverted_residual(x: keras.KerasTensor, name: str, stage: Stage, strides: int) -> keras.KerasTensor:
    """The block of MobileNetV2 (Sandler 2018): widen, filter each channel alone, narrow, not activated."""
    num_channels = x.shape[-1]
    y = x
    if stage.expansion != 1:
        y = conv_norm(y, f"{name}_expand", num_channels * stage.expansion, kernel_size=1)
    y = layers.DepthwiseConv2D(
        stage.kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(y)
    y = norm_relu6(y, f"{name}_depthwise")
    y = conv_norm(y, f"{name}_project", stage.filters, kernel_size=1, activate=False)
    if strides == 1 and num_channels == stage.filters:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def conv_norm(
    x: keras.KerasTensor, name: str, filters: int, kernel_size: int, strides: int = 1, activate: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return norm_relu6(x, name, activate)


def norm_relu6(x: keras.KerasTensor, name: str, activate: bool = True) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=NORM_EPSILON, name=f"{name}_norm")(x)
    return layers.ReLU(max_value=6, name=f"{name}_relu6")(x) if activate else x
