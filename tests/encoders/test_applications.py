"""The encoders of keras.applications: preprocessing, grid and features as Keras has them; weights that do not come."""

import socket
import subprocess
import sys
import urllib.error
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import applications

from captioner.encoders import ENCODERS, build_encoder, encoder_key
from captioner.encoders.applications import APPLICATIONS
from captioner.encoders.export import export_encoder
from captioner.encoders.integer_graph import export_integer_encoder, projected_encoder
from captioner.encoders.projection import read_projection
from captioner.encoders.weights_file import hash_weights
from captioner.errors import ModelError
from captioner.exporting.translation import as_tensorflow
from captioner.inference import Encoder

# the network, its own preprocessing, and what that does to the pixel (200, 100, 50) by the papers' recipes
BLUE_GREEN_RED = [50 - 103.939, 100 - 116.779, 200 - 123.68]
ONE_TO_ONE = [200 / 127.5 - 1, 100 / 127.5 - 1, 50 / 127.5 - 1]
AS_IT_IS = [200, 100, 50]  # the network scales
KERAS = {
    "vgg16": (applications.VGG16, applications.vgg16.preprocess_input, BLUE_GREEN_RED),
    "resnet50": (applications.ResNet50, applications.resnet.preprocess_input, BLUE_GREEN_RED),
    "inception-v3": (applications.InceptionV3, applications.inception_v3.preprocess_input, ONE_TO_ONE),
    "mobilenet-v2": (applications.MobileNetV2, applications.mobilenet_v2.preprocess_input, ONE_TO_ONE),
    "efficientnetv2-b0": (applications.EfficientNetV2B0, applications.efficientnet_v2.preprocess_input, AS_IT_IS),
    "convnext-tiny": (applications.ConvNeXtTiny, applications.convnext.preprocess_input, AS_IT_IS),
}


def draw_scales(model):
    """Scales and shifts at random: as Keras leaves them, ConvNeXt's blocks would add a millionth of what they see."""
    random = np.random.default_rng(2)
    for variable in model.weights:
        if variable.name == "gamma":
            variable.assign(random.uniform(0.5, 1.5, variable.shape))


def drawing(size):
    """(1, size, size, 3) uint8: three slopes, and grain in one corner."""
    y, x = np.mgrid[:size, :size]
    image = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1)
    image[: size // 3, : size // 3] = np.random.default_rng(1).integers(0, 256, (size // 3, size // 3, 3))
    return image[None].astype(np.uint8)


@pytest.fixture(scope="module", params=KERAS)
def built(request):
    """An encoder with random weights, built once: its name, model, a photo and its features."""
    keras.utils.set_random_seed(4)
    model = build_encoder(request.param, weights=None)
    draw_scales(model)
    image = drawing(ENCODERS[request.param].image_size)
    return SimpleNamespace(name=request.param, model=model, image=image, features=model.predict_on_batch(image))


@pytest.fixture(scope="module")
def in_litert(built, tmp_path_factory):
    """The encoder exported once: the graph's path, the runner, two photos and what it sees of them."""
    path = tmp_path_factory.mktemp(built.name) / "encoder.tflite"
    export_encoder(built.model, path)
    encoder, images = Encoder(path, built.name, threads=1), np.concatenate([built.image, 255 - built.image])
    return SimpleNamespace(path=path, encoder=encoder, images=images, features=encoder(images))


def distance(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_every_application_is_an_encoder_and_tested_here():
    assert APPLICATIONS.keys() == KERAS.keys() < ENCODERS.keys()


@pytest.mark.parametrize("name", KERAS)
def test_the_preprocessing_compared_with_is_the_one_of_the_recipe(name):
    _, preprocess, expected = KERAS[name]
    found = preprocess(np.array([[[[200, 100, 50]]]], np.float32))
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)


def test_bytes_go_in_and_the_grid_that_the_table_promises_comes_out(built):
    spec = ENCODERS[built.name]
    assert built.model.input_shape == (None, spec.image_size, spec.image_size, 3)
    assert built.model.inputs[0].dtype == "uint8"
    assert built.model.output_shape == (None, spec.num_regions, spec.depth)
    assert built.features.dtype == np.float32


def test_features_are_those_of_keras_own_network_after_its_own_preprocessing(built):
    network, preprocess, _ = KERAS[built.name]
    reference = network(include_top=False, weights=None, input_shape=built.image.shape[1:])
    reference.set_weights(built.model.get_weights())
    grid = reference.predict_on_batch(preprocess(built.image.astype(np.float32)))  # (1, height, width, depth)
    assert distance(built.features, grid.reshape(built.features.shape)) < 1e-5  # regions row by row


def test_features_depend_on_the_photo(built):
    dark = built.model.predict_on_batch(255 - built.image)
    assert distance(dark, built.features) > 0.05


def test_litert_gives_keras_features_within_a_hundredth(built, in_litert):
    spec, encoder = ENCODERS[built.name], in_litert.encoder
    assert (encoder.image_size, encoder.num_regions, encoder.depth) == (spec.image_size, spec.num_regions, spec.depth)
    assert distance(in_litert.features[:1], built.features) < 0.01
    size = in_litert.path.stat().st_size
    assert size < 2.3 * built.model.count_params()  # two bytes for nearly every number


@pytest.mark.slow
@pytest.mark.parametrize("built", ["convnext-tiny"], indirect=True)  # each takes a minute; this has every odd layer
def test_in_integers_litert_gives_what_random_layers_leave_for_them(built, tmp_path):
    """Where a photo's features hardly differ from another's, as here, rounding takes away much of what there is."""
    views = [built.image, 255 - built.image, built.image[:, ::-1], built.image[:, :, ::-1]]
    images = np.concatenate([*views, np.roll(built.image, 50, axis=1), np.roll(built.image, 90, axis=2)])
    projected, path = projected_encoder(built.model, images), tmp_path / "encoder.tflite"
    export_integer_encoder(projected, images, path)
    graph = Encoder(path, built.name, threads=1)
    assert (graph.image_size, graph.num_regions) == (built.image.shape[1], built.model.output_shape[1])
    assert graph.encode(images).dtype == np.int8
    assert path.stat().st_size < 1.4 * built.model.count_params()
    expected = projected.predict_on_batch(images)
    projection = read_projection(path, built.model.output_shape[2])
    found = built.model.predict_on_batch(images) @ projection.kernel + projection.bias
    assert distance(found, expected) < 0.02
    assert np.corrcoef(graph(images).ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_the_graph_says_in_tensorflow_what_it_says_in_litert(in_litert):
    found = tf.function(as_tensorflow(in_litert.path))(tf.constant(in_litert.images)).numpy()
    most = np.abs(in_litert.features).max()
    assert most > 0
    np.testing.assert_allclose(found, in_litert.features, rtol=0, atol=1e-4 * most)


def test_keys_differ_with_the_weights(monkeypatch):
    keras.utils.set_random_seed(1)
    one, other = (build_encoder("mobilenet-v2", weights=None) for _ in range(2))
    monkeypatch.setattr("captioner.encoders.build_encoder", lambda name: one)
    key = encoder_key("mobilenet-v2")
    assert key == encoder_key("mobilenet-v2") == f"mobilenet-v2-{hash_weights(one)[:12]}"
    assert hash_weights(other) != hash_weights(one)
    other.set_weights(one.get_weights())
    assert hash_weights(other) == hash_weights(one)  # whatever its layers are called
    *rest, last = one.get_weights()
    last.flat[-1] = np.nextafter(last.flat[-1], np.float32(9))
    one.set_weights([*rest, last])
    assert encoder_key("mobilenet-v2") != key


def test_the_key_sees_shapes_and_names():
    def model(*layers):
        return keras.Sequential([keras.Input((2, 2)), *layers])

    flat, square = keras.layers.Dense(4, use_bias=False), keras.layers.Dense(2, use_bias=False)
    both = [model(flat, keras.layers.Dense(2, use_bias=False)), model(square, keras.layers.Dense(6, use_bias=False))]
    for made in both:
        made.set_weights([np.zeros(w.shape) for w in made.get_weights()])
    assert hash_weights(both[0]) != hash_weights(both[1])
    scaled = [model(keras.layers.LayerNormalization(center=centre, scale=not centre)) for centre in (True, False)]
    for made in scaled:
        made.set_weights([np.ones(2)])
    assert hash_weights(scaled[0]) != hash_weights(scaled[1])


# weights that do not come

WAYS_TO_FAIL = [
    urllib.error.URLError(OSError(-2, "Name or service not known")),
    urllib.error.HTTPError("https://example.org", 404, "Not Found", None, None),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
    urllib.error.ContentTooShortError("retrieval incomplete: got only 9 out of 99 bytes", b""),
]


@pytest.fixture
def keras_home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras"


@pytest.mark.parametrize("failure", WAYS_TO_FAIL, ids=lambda failure: type(failure).__name__)
def test_a_failed_download_is_one_line_that_names_an_encoder_needing_none(failure, keras_home, monkeypatch):
    def retrieve(url, path, *_):
        with open(path, "wb") as file:
            file.write(b"half a fi")
        raise failure

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", retrieve)
    with pytest.raises(ModelError) as found:
        build_encoder("mobilenet-v2")
    line = str(found.value)
    assert line.startswith("the ImageNet weights of mobilenet-v2 cannot be had (")
    assert line.endswith("); or take efficientnet-lite2-320 or efficientnet-lite2, which needs no download")
    assert "\n" not in line
    assert list((keras_home / "models").iterdir()) == []  # nothing that the next run would take for the weights


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_download_is_asked_for_under_the_name_its_error_would_give(name, keras_home, monkeypatch):
    asked = []

    def get_file(fname, *_, **__):
        asked.append(fname)
        raise OSError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(ModelError, match=f"of {name} cannot be had \\(no network\\)"):
        build_encoder(name)
    assert asked == [APPLICATIONS[name].weights_file]


def test_a_file_that_a_killed_download_left_is_named_for_removal(keras_home):
    path = keras_home / "models" / APPLICATIONS["mobilenet-v2"].weights_file
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(ModelError) as found:
        build_encoder("mobilenet-v2")
    assert f"; remove {path} to have them downloaded again; or take efficientnet-lite2-320" in str(found.value)
    assert path.exists()


def test_a_download_that_stands_still_is_given_up(keras_home, monkeypatch):
    monkeypatch.setattr("captioner.encoders.applications._PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes the connection, and says nothing
        base = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr("keras.src.applications.mobilenet_v2.BASE_WEIGHT_PATH", base)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(ModelError, match="timed out"):
            build_encoder("mobilenet-v2")
    assert socket.getdefaulttimeout() is None


def test_a_failed_download_tells_a_shell_one_line_and_exit_code_1(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    keras.utils.save_img(photos / "a.png", np.zeros((9, 9, 3)))
    (photos / "a.txt").write_text("a dog\n")
    code = (
        "import os, sys; os.environ['KERAS_HOME'] = sys.argv.pop(1); import keras.src.applications.mobilenet_v2 as m; "
        "m.BASE_WEIGHT_PATH = 'file:///nowhere/'; from captioner.cli import main; main()"
    )
    arguments = [
        "prepare",
        photos,
        tmp_path / "data",
        "--min-count",
        "1",
        "--encoder",
        "mobilenet-v2",
        "--split",
        "1,0,0",
    ]
    command = [sys.executable, "-c", code, *map(str, [tmp_path / "keras", *arguments])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    *_, last = done.stderr.splitlines()
    assert last.startswith("Error: the ImageNet weights of mobilenet-v2 cannot be had (")
    assert last.endswith("; or take efficientnet-lite2-320 or efficientnet-lite2, which needs no download")
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]  # so the same command may be given again


def test_the_key_does_not_hang_on_what_was_built_before():
    one, other = (build_encoder("convnext-tiny", weights=None) for _ in range(2))  # it has nameless variables
    other.set_weights(one.get_weights())
    assert hash_weights(other) == hash_weights(one)
