import keras
import numpy as np
import pytest

from captioner.encoders import ENCODERS, build_encoder
from captioner.encoders.efficientnet_lite import SCALES, efficientnet_lite, round_filters, scaled_stages

SPEC = ENCODERS["efficientnet-lite2-320"]


@pytest.fixture(scope="module")
def encoder():
    return build_encoder(SPEC.name)


@pytest.fixture(scope="module")
def drawings():
    """(3, 320, 320, 3) uint8: a red disc on a slope of blue, a chequerboard, and grain."""
    y, x = np.mgrid[: SPEC.image_size, : SPEC.image_size]
    disc = np.stack([255 * ((x - 90) ** 2 + (y - 150) ** 2 < 60**2), 0 * x, x * 255 // 319], axis=-1)
    board = np.repeat(((x // 32 + y // 32) % 2 * 200 + 30)[..., None], 3, axis=-1)
    grain = np.random.default_rng(5).integers(0, 256, disc.shape)
    return np.stack([disc, board, grain]).astype(np.uint8)


@pytest.fixture(scope="module")
def run_litert():
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(SPEC.graph_path("float")), num_threads=1)
    runner = interpreter.get_signature_runner("encode")
    return lambda image: runner(image=image)["features"]


def relative_difference(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_filters_are_rounded_to_eights_but_never_down_by_more_than_a_tenth():
    assert [round_filters(n) for n in (16, 17.6, 26.4, 123.2, 11, 3)] == [16, 16, 24, 120, 16, 8]


def test_lite2_has_21_blocks_and_lite0_16():
    assert [stage.num_blocks for stage in scaled_stages(SCALES["efficientnet-lite0"])] == [
        1,
        2,
        2,
        3,
        3,
        4,
        1,
    ]
    assert [stage.num_blocks for stage in scaled_stages(SCALES["efficientnet-lite2"])] == [
        1,
        3,
        3,
        4,
        4,
        5,
        1,
    ]


def test_the_encoder_takes_bytes_and_gives_the_regions_its_entry_promises(encoder):
    assert encoder.input_shape == (None, SPEC.image_size, SPEC.image_size, 3)
    assert encoder.inputs[0].dtype == "uint8"
    assert encoder.output_shape == (None, SPEC.num_regions, SPEC.depth)
    assert encoder.outputs[0].dtype == "float32"


def test_the_classifier_has_the_parameters_published_for_lite0():
    classifier = efficientnet_lite("efficientnet-lite0", num_classes=1000)
    assert round(classifier.count_params() / 1e6, 1) == 4.7  # TensorFlow TPU repository, table of the Lite models


def test_regions_run_row_by_row(encoder, drawings):
    lower_right = np.full_like(drawings[:1], 127)
    untouched = encoder.predict_on_batch(lower_right)[0]
    lower_right[:, 240:, 240:] = drawings[2, 240:, 240:]
    change = np.linalg.norm(encoder.predict_on_batch(lower_right)[0] - untouched, axis=-1).reshape(10, 10)
    assert change[7:, 7:].mean() > 2 * max(change[:5, 7:].mean(), change[7:, :5].mean())


@pytest.mark.parametrize("batch_size", [1, 3])
def test_keras_and_litert_give_the_same_features(encoder, run_litert, drawings, batch_size):
    images = drawings[:batch_size]
    in_keras, in_litert = encoder.predict_on_batch(images), run_litert(images)
    assert in_litert.shape == in_keras.shape == (batch_size, SPEC.num_regions, SPEC.depth)
    assert in_litert.dtype == np.float32
    for found, expected in zip(in_litert, in_keras, strict=True):
        assert relative_difference(found, expected) < 0.001


def test_features_do_not_depend_on_the_batch(run_litert, drawings):
    alone = np.concatenate([run_litert(drawings[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(run_litert(drawings), alone, atol=1e-4)


def test_different_pictures_have_different_features(encoder, drawings):
    disc, board, grain = encoder.predict_on_batch(drawings)
    assert min(relative_difference(disc, board), relative_difference(board, grain)) > 0.5


def test_the_head_comes_behind_the_stages_before_it_each_of_like_size(encoder, drawings):
    head = keras.Model(encoder.input, encoder.get_layer("head_relu6").output)
    features = encoder.predict_on_batch(drawings)
    np.testing.assert_array_equal(features[..., -1280:], head.predict_on_batch(drawings).reshape(3, 100, 1280))
    sizes = [np.sqrt((part**2).mean()) for part in np.split(features, (120, 328, 680), axis=-1)]
    assert max(sizes) < 3 * min(sizes)


def test_a_stage_of_finer_grid_is_averaged_over_each_region(encoder, drawings):
    stage = keras.Model(encoder.input, encoder.get_layer("stage5_block4_add").output)
    fine = stage.predict_on_batch(drawings)  # (3, 20, 20, 120)
    means = fine.reshape(3, 10, 2, 10, 2, 120).mean(axis=(2, 4)).reshape(3, 100, 120)
    np.testing.assert_allclose(encoder.predict_on_batch(drawings)[..., :120], 0.1 * means, atol=1e-4)


def test_lite2_alone_has_the_head_alone():
    spec = ENCODERS["efficientnet-lite2"]
    assert (
        build_encoder(spec.name, weights=None).output_shape == (None, spec.num_regions, spec.depth) == (None, 81, 1280)
    )
