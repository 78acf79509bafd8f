import numpy as np
import pytest

from captioner.encoders import ENCODERS, build_encoder
from captioner.encoders.efficientnet_lite import SCALES, efficientnet_lite, round_filters, scaled_stages

SPEC = ENCODERS["efficientnet-lite2"]


@pytest.fixture(scope="module")
def encoder():
    return build_encoder("efficientnet-lite2")


@pytest.fixture(scope="module")
def drawings():
    """(3, 260, 260, 3) uint8: a red disc on a slope of blue, a chequerboard, and grain."""
    y, x = np.mgrid[: SPEC.image_size, : SPEC.image_size]
    disc = np.stack([255 * ((x - 90) ** 2 + (y - 150) ** 2 < 60**2), 0 * x, x * 255 // 259], axis=-1)
    board = np.repeat(((x // 26 + y // 26) % 2 * 200 + 30)[..., None], 3, axis=-1)
    grain = np.random.default_rng(5).integers(0, 256, disc.shape)
    return np.stack([disc, board, grain]).astype(np.uint8)


@pytest.fixture(scope="module")
def run_litert():
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(SPEC.tflite_path), num_threads=1)
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
    lower_right[:, 200:, 200:] = drawings[2, 200:, 200:]
    change = np.linalg.norm(encoder.predict_on_batch(lower_right)[0] - untouched, axis=-1).reshape(9, 9)
    assert change[6:, 6:].mean() > 2 * max(change[:5, 6:].mean(), change[6:, :5].mean())


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
