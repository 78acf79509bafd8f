"""Kernels rounded to int8: on their grid, and with sums that stay."""

import keras
import numpy as np
import pytest
import small_encoder

from captioner.encoders.rounding import round_weights, rounded_kernels


@pytest.fixture(scope="module")
def photos():
    smooth = np.linspace(0, 255, 32)[:, None, None] * np.ones((32, 32, 3))
    noise = np.random.default_rng(0).integers(0, 100, (6, 32, 32, 3))
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def alike_inputs(count, width):
    """Positive and much alike, as behind a ReLU: (1, count, width)."""
    random = np.random.default_rng(1)
    return 1 + random.random((1, count, 1)) + 0.1 * random.random((1, count, width))


def test_weights_are_multiples_of_a_127th_of_the_largest_which_stays():
    weights = np.random.default_rng(2).normal(size=(1, 9, 5))
    inputs = alike_inputs(200, 9)
    rounded = round_weights(weights, inputs.transpose(0, 2, 1) @ inputs)
    largest = np.abs(weights).max(axis=1, keepdims=True)
    integers = rounded / (largest / 127)
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)
    np.testing.assert_allclose(np.abs(rounded).max(axis=1, keepdims=True), largest)


def test_sums_stay_nearer_than_by_rounding_each_weight_to_the_nearest():
    weights = np.random.default_rng(3).normal(size=(40, 25, 1))
    inputs = np.concatenate([alike_inputs(300, 25)] * 40)
    largest = np.abs(weights).max(axis=1, keepdims=True)
    nearest = np.rint(weights / largest * 127) * largest / 127
    rounded = round_weights(weights, inputs.transpose(0, 2, 1) @ inputs)
    error, error_of_nearest = (np.abs(inputs @ each - inputs @ weights).mean() for each in (rounded, nearest))
    assert error < 0.4 * error_of_nearest


def test_inputs_that_never_differ_are_no_obstacle():
    weights = np.random.default_rng(4).normal(size=(1, 4, 2))
    assert np.isfinite(round_weights(weights, np.zeros((1, 4, 4)))).all()
    assert np.isfinite(round_weights(np.zeros((1, 4, 2)), np.ones((1, 4, 4)))).all()


def on_the_grid(kernel, is_depthwise):
    """Whether a kernel's weights are multiples of a 127th of the largest of their output channel."""
    axes = (0, 1) if is_depthwise else (0, 1, 2)
    integers = 127 * kernel / np.abs(kernel).max(axis=axes, keepdims=True)
    return np.allclose(integers, np.rint(integers), atol=1e-3)


def with_unit_norms():
    """The small encoder, its batch normalisation adding and not scaling, as that of shipped weights."""
    encoder = small_encoder.build(None, True)
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 1 - layer.epsilon))
    return encoder


def test_inside_kernels_are_on_the_grid_and_means_stay_and_behind_all_is_as_before(photos):
    encoder = with_unit_norms()
    before, features = encoder.get_weights(), encoder(photos, training=False).numpy()
    with rounded_kernels(encoder, photos):
        for layer in encoder.layers:
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                assert on_the_grid(layer.kernel.numpy(), is_depthwise), layer.name
        inside = encoder(photos, training=False).numpy()
    assert 0 < np.linalg.norm(inside - features) < 0.02 * np.linalg.norm(features)
    for now, then in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_convolutions_whose_normalisation_scales_are_left_alone(photos):
    encoder = small_encoder.build(None, True)  # of variance 0.5
    before = encoder.get_weights()
    with rounded_kernels(encoder, photos):
        for now, then in zip(encoder.get_weights(), before, strict=True):
            np.testing.assert_array_equal(now, then)
