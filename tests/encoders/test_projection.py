"""The projection behind an encoder: principal components of some features, and how a graph gives them back."""

import numpy as np
import pytest
import small_encoder

from captioner.encoders import ENCODERS, build_encoder, encoder_spec
from captioner.encoders.export import export_encoder
from captioner.encoders.integer_graph import export_integer_encoder
from captioner.encoders.projection import SPREAD, Projection, fit_projection, project, read_projection
from captioner.errors import ModelError

DEPTH = 12


def features_of_rank(rank, num_photos=40):
    """(photos, 9 regions, DEPTH) float32, whose regions lie in a space of so many dimensions, away from 0."""
    random = np.random.default_rng(rank)
    hidden = random.normal(size=(num_photos, 9, rank)) * np.geomspace(5, 0.1, rank)
    return (hidden @ random.normal(size=(rank, DEPTH)) + 3).astype(np.float32)


def projected(features, projection):
    return features.reshape(-1, DEPTH).astype(np.float64) @ projection.kernel + projection.bias


def test_channels_have_mean_zero_and_nothing_in_common_each_at_its_spread():
    features = features_of_rank(DEPTH)
    variances = np.linalg.eigvalsh(np.cov(features.reshape(-1, DEPTH).T, bias=True))[::-1]
    found = projected(features, fit_projection([features], 5))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.diag(variances[:5] ** SPREAD), atol=1e-3)


def test_no_other_projection_of_as_many_channels_keeps_more_variance():
    """What is left of features when they are told from their channels alone (Eckart & Young 1936)."""
    features = features_of_rank(DEPTH)
    rows = features.reshape(-1, DEPTH).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    channels = projected(features, fit_projection([features], 4))
    told, *_ = np.linalg.lstsq(channels, centred, rcond=None)
    singular = np.linalg.svd(centred, compute_uv=False)
    assert ((centred - channels @ told) ** 2).sum() == pytest.approx((singular[4:] ** 2).sum(), rel=1e-4)


@pytest.mark.parametrize("rank", [1, 3])
def test_there_are_no_more_channels_than_the_photos_tell_apart(rank):
    projection = fit_projection([features_of_rank(rank)], DEPTH)
    assert projection.kernel.shape == (DEPTH, rank) and projection.bias.shape == (rank,)
    assert np.isfinite(projection.kernel).all()


def test_photos_count_the_same_however_they_are_batched():
    features = features_of_rank(5)
    whole, parts = fit_projection([features], 3), fit_projection(np.split(features, [1, 17]), 3)
    np.testing.assert_allclose(parts.kernel, whole.kernel, atol=1e-5)
    np.testing.assert_allclose(parts.bias, whole.bias, atol=1e-4)


def test_the_sign_of_a_channel_is_that_of_its_largest_weight():
    kernel = fit_projection([features_of_rank(DEPTH)], 6).kernel
    assert (kernel[np.abs(kernel).argmax(axis=0), range(6)] > 0).all()


def test_without_a_photo_there_is_nothing_to_choose_by():
    with pytest.raises(ModelError, match="no photo"):
        fit_projection([], 3)


@pytest.fixture(scope="module", autouse=True)
def with_small_encoder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENCODERS, small_encoder.NAME, small_encoder.SPEC)
        yield


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (24, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module", params=[16, 5])
def small(request, images):
    """The small encoder and a projection of its 16 channels, made up; with 16 its kernels have like shapes."""
    random = np.random.default_rng(request.param)
    kernel = random.normal(size=(16, request.param)).astype(np.float32)
    return build_encoder(small_encoder.NAME), Projection(kernel, random.normal(size=request.param).astype(np.float32))


def test_behind_the_encoder_it_gives_what_kernel_and_bias_say(small, images):
    encoder, projection = small
    model = project(encoder, projection)
    assert model.output_shape == (None, 16, len(projection.bias))
    expected = encoder.predict_on_batch(images) @ projection.kernel + projection.bias
    np.testing.assert_allclose(model.predict_on_batch(images), expected, atol=1e-4)


def test_the_encoder_itself_stays_as_it_was(small, images):
    encoder, projection = small
    before = encoder.predict_on_batch(images)
    project(encoder, projection)
    np.testing.assert_array_equal(encoder.predict_on_batch(images), before)


def test_a_graph_in_integers_gives_back_the_projection_put_in(small, images, tmp_path):
    """Rounded to integers, of which the largest of a channel is 127, so that the features stay."""
    encoder, projection = small
    path = tmp_path / "encoder.tflite"
    export_integer_encoder(project(encoder, projection), images, path)
    found = read_projection(path, depth=16)
    assert found.kernel.dtype == found.bias.dtype == np.float32
    integers = 127 * found.kernel / np.abs(projection.kernel).max(axis=0)
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-3)
    np.testing.assert_allclose(np.abs(integers).max(axis=0), 127, atol=1e-3)
    features = encoder.predict_on_batch(images)
    expected = features @ projection.kernel + projection.bias
    assert np.linalg.norm(features @ found.kernel + found.bias - expected) < 0.02 * np.linalg.norm(expected)


def test_a_graph_without_a_projection_of_that_depth_is_named(small, images, tmp_path):
    encoder, projection = small
    integers, real = tmp_path / "integers.tflite", tmp_path / "float.tflite"
    export_integer_encoder(project(encoder, projection), images, integers)
    export_encoder(encoder, real)
    for path, depth in ((integers, 17), (real, 16)):
        with pytest.raises(ModelError) as found:
            read_projection(path, depth)
        assert str(found.value) == f"{path}: not an encoder in integers that ends in a projection of {depth} channels"


@pytest.mark.parametrize("content", [None, b"", b"junk" * 99])
def test_what_is_no_graph_is_named(content, tmp_path):
    path = tmp_path / "encoder.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{path}: not a graph that can be read"):
        read_projection(path, 16)


@pytest.mark.parametrize("name", ["efficientnet-lite2-320", "efficientnet-lite2"])
def test_shipped_graphs_end_in_a_projection_of_their_encoder(name):
    spec = encoder_spec(name)
    projection = read_projection(spec.graph_path("int8"), spec.depth)
    assert projection.kernel.shape == (spec.depth, len(projection.bias))
    assert np.linalg.matrix_rank(projection.kernel) == len(projection.bias)
