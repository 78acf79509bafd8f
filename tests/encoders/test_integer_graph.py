"""Encoders in integers: what goes in and comes out, how near it is to what they say in float, always the same file."""

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import small_encoder
from ai_edge_litert.interpreter import Interpreter

from captioner.encoders import ENCODERS, build_encoder, encoder_spec
from captioner.encoders.integer_graph import convert_to_integers, draw_photos, export_integer_encoder, projected_encoder
from captioner.encoders.projection import read_projection
from captioner.errors import CaptionerError, ModelError
from captioner.images import read_image
from captioner.inference import Encoder

TESTS = Path(__file__).parents[1]
PHOTOS = sorted((TESTS.parent / "data" / "photos").glob("*.jpg"))
SHIPPED = [name for name, spec in ENCODERS.items() if "int8" in spec.graph_files]


def small_photos():
    """(11, 32, 32, 3) uint8"""
    return np.stack([read_image(path, 32) for path in PHOTOS])


def export_small(path):
    """The small encoder in Keras and its graph in integers, made for the sample photos."""
    encoder = projected_encoder(small_encoder.build(small_encoder.SPEC, True), small_photos())
    export_integer_encoder(encoder, small_photos(), path)
    return encoder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "encoder.tflite"
    encoder = export_small(path)
    return SimpleNamespace(path=path, encoder=encoder, graph=Encoder(path, "small", threads=1), photos=small_photos())


def relative_distance(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def details_of(path):
    """What LiteRT says of the one signature's input and output."""
    graph = Interpreter(model_path=str(path))
    assert list(graph.get_signature_list()) == ["encode"]
    run = graph.get_signature_runner("encode")
    return run.get_input_details()["image"], run.get_output_details()["features"]


# any encoder


def test_features_are_near_those_in_float(small):
    found, expected = small.graph(small.photos), small.encoder.predict_on_batch(small.photos)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert max(map(relative_distance, found, expected)) < 0.1


def test_bytes_go_in_and_integers_come_out_under_one_signature(small):
    image, features = details_of(small.path)
    assert (image["dtype"], image["shape_signature"].tolist()) == (np.uint8, [-1, 32, 32, 3])
    assert (features["dtype"], features["shape_signature"].tolist()) == (np.int8, [-1, 16, small.graph.depth])
    integers = small.graph.encode(small.photos)
    assert integers.dtype == np.int8
    np.testing.assert_array_equal(small.graph.quantization.dequantize(integers), small.graph(small.photos))


def test_a_pixel_is_an_integer_of_the_graph_as_it_is(small):
    """So nothing is rounded before the first layer: real number and integer are the same pixel."""
    image, _ = details_of(small.path)
    parameters = image["quantization_parameters"]
    pixels = np.arange(256)
    real = parameters["scales"] * (pixels - parameters["zero_points"])
    np.testing.assert_allclose(real, pixels / 128 - 1, atol=1e-5)  # as the first layer has it


def test_the_range_of_pixels_does_not_hang_on_the_photos(tmp_path):
    grey = [np.full((32, 32, 3), value, np.uint8) for value in (90, 110)]
    kept = [photo.copy() for photo in grey]
    export_integer_encoder(small_encoder.build(small_encoder.SPEC, True), grey, tmp_path / "encoder.tflite")
    image, _ = details_of(tmp_path / "encoder.tflite")
    assert image["quantization_parameters"]["scales"] == pytest.approx(1 / 128, rel=1e-4)
    np.testing.assert_array_equal(grey, kept)  # the photos themselves are not touched


def test_all_channels_share_a_scale_that_uses_all_of_it(small):
    integers = small.graph.encode(small.photos)
    assert integers.min() < -110 and integers.max() > 110
    assert len(set(small.graph.quantization.scale.tolist())) == 1


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_features_depend_neither_on_threads_nor_on_company(threads, small):
    expected = np.concatenate([small.graph.encode(photo[None]) for photo in small.photos])
    graph = Encoder(small.path, "small", threads=threads)
    np.testing.assert_array_equal(graph.encode(small.photos), expected)
    alone = np.concatenate([graph.encode(photo[None]) for photo in small.photos])
    np.testing.assert_array_equal(alone, expected)


def test_the_same_encoder_is_the_same_file(small, tmp_path):
    export_small(tmp_path / "again.tflite")  # by now, Keras has other names for its layers
    assert (tmp_path / "again.tflite").read_bytes() == small.path.read_bytes()


IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import captioner.training_stack
import keras
for _ in range(7):
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1), keras.layers.ReLU()])
import test_integer_graph
test_integer_graph.export_small(Path(sys.argv[1]))
"""


def test_the_same_encoder_is_the_same_file_in_another_process(small, tmp_path):
    path = tmp_path / "other.tflite"
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, *map(str, (path, TESTS, TESTS / "encoders"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(small.path.read_bytes()).digest()


def test_other_weights_are_another_file(small):
    encoder = small_encoder.build(small_encoder.SPEC, False)
    assert convert_to_integers(encoder, small.photos) != convert_to_integers(
        small_encoder.build(small_encoder.SPEC, True), small.photos
    )


def test_without_photos_there_is_no_graph_in_integers(tmp_path):
    encoder = small_encoder.build(small_encoder.SPEC, True)
    with pytest.raises(ModelError, match="no photo can be read"):
        export_integer_encoder(encoder, iter([]), tmp_path / "encoder.tflite")
    with pytest.raises(ModelError, match="no photo can be read"):
        projected_encoder(encoder, [])
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_the_converter_refuses_is_one_line(small, tmp_path):
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Conv2D(4, 8, strides=8)(keras.layers.Rescaling(1 / 255)(image))
    encoder = keras.Model(image, keras.ops.reshape(keras.ops.erf(x), (-1, 16, 4)), name="odd")  # not built into LiteRT
    with pytest.raises(ModelError, match=r"odd cannot be written in integers \(.*Erf") as found:
        export_integer_encoder(encoder, small.photos, tmp_path / "encoder.tflite")
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_nothing_behind(small, tmp_path):
    with pytest.raises(CaptionerError, match="cannot be written"):
        export_integer_encoder(small.encoder, small.photos, tmp_path / "no folder" / "encoder.tflite")
    assert list(tmp_path.iterdir()) == []


def test_operations_that_litert_has_not_in_integers_stay_in_float(tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Conv2D(4, 2, strides=2)(keras.layers.Rescaling(1 / 255)(image))
    x = keras.ops.sin(keras.layers.LayerNormalization()(x))
    encoder = keras.Model(image, keras.ops.reshape(x, (-1, 16, 4)), name="odd")
    photos = np.random.default_rng(3).integers(0, 256, (9, 8, 8, 3), np.uint8)
    export_integer_encoder(encoder, photos, tmp_path / "encoder.tflite")
    found, expected = Encoder(tmp_path / "encoder.tflite", "odd", threads=1)(photos), encoder.predict_on_batch(photos)
    assert relative_distance(found, expected) < 0.1


# which photos it is made for


def test_the_same_photos_are_drawn_in_whatever_order_they_are_listed():
    paths = [Path(f"{number}.jpg") for number in range(50)]
    drawn = draw_photos(paths, 9)
    assert len(set(drawn)) == 9 and set(drawn) < set(paths)
    assert draw_photos(paths[::-1], 9) == drawn
    assert draw_photos(paths, 9, seed=1) != drawn


def test_of_few_photos_all_are_drawn():
    paths = [Path(f"{number}.jpg") for number in range(3)]
    assert sorted(draw_photos(paths, 9)) == paths


# the shipped ones


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request):
    """A shipped graph, three sample photos and the features it gives of each alone."""
    spec = encoder_spec(request.param)
    path = spec.graph_path("int8")
    photos = np.stack([read_image(path, spec.image_size) for path in PHOTOS[:3]])
    graph = Encoder(path, spec.name, threads=1)
    features = np.concatenate([graph.encode(photo[None]) for photo in photos])
    return SimpleNamespace(spec=spec, path=path, photos=photos, graph=graph, features=features)


def test_both_sizes_of_the_shipped_encoder_are_in_integers():
    assert SHIPPED == ["efficientnet-lite2-320", "efficientnet-lite2"]


def test_shipped_graphs_take_bytes_and_give_integers(shipped):
    image, features = details_of(shipped.path)
    size = shipped.spec.image_size
    assert (image["dtype"], image["shape_signature"].tolist()) == (np.uint8, [-1, size, size, 3])
    assert (features["dtype"], features["shape_signature"].tolist()[:2]) == (np.int8, [-1, shipped.spec.num_regions])


def test_shipped_graphs_and_what_is_kept_of_a_photo_are_small(shipped):
    assert shipped.path.stat().st_size <= 8e6
    assert shipped.features[0].nbytes <= 102_400


@pytest.mark.parametrize("threads", [1, 2])
def test_features_of_shipped_graphs_depend_neither_on_threads_nor_on_company(threads, shipped):
    graph = Encoder(shipped.path, shipped.spec.name, threads=threads)
    np.testing.assert_array_equal(graph.encode(shipped.photos), shipped.features)
    np.testing.assert_array_equal(graph.encode(shipped.photos[:1]), shipped.features[:1])


def test_shipped_graphs_say_what_keras_says_projected(shipped):
    projection = read_projection(shipped.path, shipped.spec.depth)
    in_float = build_encoder(shipped.spec.name).predict_on_batch(shipped.photos) @ projection.kernel + projection.bias
    found = shipped.graph(shipped.photos)
    # components of little spread are made larger, and so is what is rounded away of them
    assert max(map(relative_distance, found, in_float)) < 0.4
    assert relative_distance(found, in_float) < 0.3


def test_shipped_graphs_see_different_photos_differently(shipped):
    one, other, _ = shipped.graph(shipped.photos)
    assert relative_distance(one, other) > 0.5
