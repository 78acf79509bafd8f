"""Encoders cut in two for fine-tuning: trunk and rest are the whole, and what is kept of a photo is small."""

import keras
import numpy as np
import pytest

from captioner.encoders import ENCODERS, build_encoder, encoder_spec
from captioner.encoders.cut import cut_encoder
from captioner.encoders.export import export_encoder
from captioner.encoders.weights_file import hash_weights
from captioner.inference import Encoder


@pytest.fixture(scope="module", params=ENCODERS)
def cut(request):
    """An encoder with random weights, and what it was cut into."""
    keras.utils.set_random_seed(6)
    encoder = build_encoder(request.param, weights=None)
    before = hash_weights(encoder)
    return encoder_spec(request.param), encoder, *cut_encoder(encoder, encoder_spec(request.param).cut), before


@pytest.fixture(scope="module")
def cut_shipped():
    encoder = build_encoder("efficientnet-lite2-320")
    return encoder, *cut_encoder(encoder, encoder_spec("efficientnet-lite2-320").cut)


def photos(encoder, num_photos=2):
    shape = (num_photos, *encoder.input_shape[1:])
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


def called(model, inputs):
    """As `predict` gives it, without seconds of tracing."""
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def test_trunk_and_rest_together_are_the_whole(cut):
    _, encoder, trunk, rest, _ = cut
    images = photos(encoder, 1)
    expected = called(encoder, images)
    found = called(rest, called(trunk, images))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_cutting_changes_no_weight_nor_the_key(cut):
    _, encoder, _, _, before = cut
    assert hash_weights(encoder) == before


def test_the_rest_has_weights_to_train_and_none_of_the_trunk(cut):
    _, _, trunk, rest, _ = cut
    assert len(rest.trainable_variables) > 0
    assert not {id(v) for v in rest.variables} & {id(v) for v in trunk.variables}


def test_what_is_kept_of_a_photo_takes_at_most_a_fifth_of_a_megabyte(cut):
    _, _, trunk, _, _ = cut
    assert 2 * np.prod(trunk.output_shape[1:]) <= 205_000


def test_batch_normalisation_is_frozen(cut):
    _, _, _, rest, _ = cut
    norms = [layer for layer in rest._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    frozen = {id(v) for layer in norms for v in layer.variables}
    assert not frozen & {id(v) for v in rest.trainable_variables}


def test_the_shipped_encoder_keeps_96_kilobytes_of_a_photo(cut_shipped):
    _, trunk, rest = cut_shipped
    assert trunk.output_shape == (None, 20 * 20, 120) and rest.output_shape == (None, 100, 1960)


def test_an_exported_trunk_gives_what_keras_gives(cut_shipped, tmp_path):
    _, trunk, _ = cut_shipped
    export_encoder(trunk, tmp_path / "trunk.tflite")
    runner = Encoder(tmp_path / "trunk.tflite", "trunk", threads=1)
    assert (runner.image_size, runner.num_regions, runner.depth) == (320, 400, 120)
    images = photos(trunk)
    expected = called(trunk, images)
    assert np.linalg.norm(runner(images) - expected) < 0.01 * np.linalg.norm(expected)
