"""Exports opened as anybody would, by their own runtimes; and models small enough to be made in a moment."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from captioner import Captioner
from captioner.encoders.export import convert_encoder
from captioner.encoders.integer_graph import convert_to_integers
from captioner.files import write_json, write_text
from captioner.model import build_network, export_decoder, save_decoder_weights
from captioner.model_folder import EncoderInfo, ModelFolder, seal
from captioner.options import DecodingOptions, NetworkOptions
from captioner.tokenizer import SPECIAL_TOKENS

WORDS = ("a", "dog", "cat", "runs", "sleeps", "on", "grass", "snow")
SIZE, NUM_REGIONS, DEPTH = 8, 16, 12


def open_litert(folder, signatures):
    from ai_edge_litert.interpreter import Interpreter

    def opened(name, signature):
        run = Interpreter(str(folder / signature["file"]), num_threads=1).get_signature_runner(name)
        return lambda **inputs: {key: real(array, signature["outputs"][key]) for key, array in run(**inputs).items()}

    def real(array, described):
        assert array.dtype.name == described["dtype"]
        if "quantization" not in described:
            return array
        scale, zero_point = (np.float32(described["quantization"][key]) for key in ("scale", "zero_point"))
        return scale * (np.float32(array) - zero_point)

    return {name: opened(name, signature) for name, signature in signatures.items()}


def open_onnx(folder, signatures):
    import onnxruntime

    def opened(file):
        session = onnxruntime.InferenceSession(folder / file, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]

        def run(**inputs):
            outputs = dict(zip(names, session.run(None, inputs), strict=True))
            return {"state" if name == "next_state" else name: array for name, array in outputs.items()}

        return run

    return {name: opened(each["file"]) for name, each in signatures.items()}


def open_saved_model(folder, signatures):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))

    def runner(name):
        def run(**inputs):
            outputs = model.signatures[name](**{key: tf.constant(array) for key, array in inputs.items()})
            return {key: value.numpy() for key, value in outputs.items()}

        return run

    return {name: runner(name) for name in signatures}


RUNTIMES = {"litert": open_litert, "onnx": open_onnx, "saved-model": open_saved_model}


@pytest.fixture
def open_export():
    """A function from an export's folder to its functions `encode`, `begin` and `step`, run by its own runtime."""

    def opened(folder):
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return RUNTIMES[description["format"]](folder, description["signatures"])

    return opened


@pytest.fixture(scope="session")
def small_encoder():
    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.Conv2D(DEPTH, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(image, keras.ops.reshape(x, (-1, NUM_REGIONS, DEPTH)))


@pytest.fixture(scope="session")
def encoder_in_float(small_encoder):
    """The content of the small encoder's graph."""
    return convert_encoder(small_encoder)


@pytest.fixture(scope="session")
def encoder_in_integers(small_encoder, noise):
    """The content of the small encoder's graph in integers."""
    return convert_to_integers(small_encoder, noise)


@pytest.fixture(scope="session")
def make_model(encoder_in_float):
    """A function `(folder, encoder content=, precision=, **network options) -> Captioner` that has learned nothing."""

    def made(folder, encoder=encoder_in_float, precision="float", **network):
        keras.utils.set_random_seed(2)
        folder.mkdir()
        options = NetworkOptions(**{"units": 16, "embedding_dim": 8, "heads": 1} | network)
        write_text(folder / "vocabulary.txt", "".join(f"{token}\n" for token in (*SPECIAL_TOKENS, *WORDS)))
        decoder = build_network(options, len(SPECIAL_TOKENS) + len(WORDS), NUM_REGIONS, DEPTH)
        for variable in decoder.trainable_variables:
            variable.assign(3 * variable)  # so that some words are likelier than others
        save_decoder_weights(decoder, folder / "decoder.weights.h5")
        export_decoder(decoder, folder / "decoder.tflite")
        (folder / "encoder.tflite").write_bytes(encoder)
        write_json(folder / "training.json", {})
        write_text(folder / "README.md", "# small\n")
        info = EncoderInfo("small", "small-0", SIZE, NUM_REGIONS, DEPTH, precision)
        seal(folder, "small", info, options, DecodingOptions())
        return Captioner(ModelFolder.open(folder), threads=1)

    return made


@pytest.fixture(scope="session")
def noise():
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
