"""The way from Keras to a model folder: weights as float16, and `begin` and `step` for LiteRT."""

import itertools
from functools import cache

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from captioner.errors import ModelError
from captioner.inference import Decoder
from captioner.model import build_network, export_decoder, load_weights, save_decoder_weights
from captioner.options import DECODERS, NetworkOptions, TrainingOptions
from captioner.tokenizer import START_ID
from captioner.training.batches import Batch
from captioner.training.teacher_forcing import Trainer

UNITS, VOCABULARY_SIZE, NUM_REGIONS, DEPTH = 8, 11, 4, 3
SIX = list(itertools.product(DECODERS, (False, True)))


def new_network(decoder, attention, units=UNITS, vocabulary_size=VOCABULARY_SIZE):
    options = NetworkOptions(decoder, attention, units=units, embedding_dim=5)
    return build_network(options, vocabulary_size, NUM_REGIONS, DEPTH)


@cache
def old_network(decoder, attention):
    """One of the six, for tests that do not mind what its weights are."""
    return new_network(decoder, attention)


def numbers(outputs):
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


@pytest.fixture(scope="module")
def weights_paths(tmp_path_factory):
    """The weights file of each of the six."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(3)
    paths = {}
    for decoder, attention in SIX:
        paths[decoder, attention] = folder / f"{decoder}-{attention}.weights.h5"
        save_decoder_weights(new_network(decoder, attention), paths[decoder, attention])
    return paths


@pytest.fixture(scope="module", params=SIX, ids=lambda p: p[0] + (" with attention" if p[1] else ""))
def twins(request, weights_paths, tmp_path_factory):
    """The same network twice: in Keras, its weights read from their file, and opened by LiteRT; and the graph."""
    network = new_network(*request.param)
    load_weights(network, weights_paths[request.param])
    path = tmp_path_factory.mktemp("graph") / "decoder.tflite"
    export_decoder(network, path)
    return network, Decoder(path, threads=1), path


def test_begin_and_step_say_the_same_in_litert_and_keras(twins):
    network, decoder, _ = twins
    random = np.random.default_rng(0)
    # batches and beams are free axes: small after large, large after small
    for num_photos, num_beams in ((1, 1), (3, 2), (2, 5), (1, 4)):
        features = random.normal(0, 2, (num_photos, NUM_REGIONS, DEPTH)).astype(np.float32)
        expected, found = numbers(network.begin(features)), decoder.begin(features)
        assert found.keys() == expected.keys()
        for _ in range(3):
            for name, array in expected.items():
                assert found[name].shape == array.shape
                np.testing.assert_allclose(found[name], array, atol=1e-3)
            constants = {name: found[name] for name in ("keys", "values") if name in found}
            state = found["state"] if found["state"].ndim == 3 else np.repeat(found["state"][:, None], num_beams, 1)
            token = random.integers(START_ID, VOCABULARY_SIZE, (num_photos, num_beams)).astype(np.int32)
            expected = numbers(network.step(token=token, state=state, **constants))
            found = decoder.step(token=token, state=state, **constants)
            assert found.keys() == expected.keys()
            found, expected = found | constants, expected | constants


def test_the_graph_says_what_it_was_made_for(twins):
    _, decoder, _ = twins
    assert (decoder.vocabulary_size, decoder.num_regions, decoder.depth) == (VOCABULARY_SIZE, NUM_REGIONS, DEPTH)


def test_the_graph_needs_built_in_operations_only(twins):
    model = flatbuffer_utils.read_model(str(twins[2]))
    assert [code.customCode for code in model.operatorCodes if code.customCode] == []
    assert {signature.signatureKey for signature in model.signatureDefs} == {b"begin", b"step"}


def test_the_graph_waits_for_no_reshape(twins):
    model = flatbuffer_utils.read_model(str(twins[2]))
    operations = {model.operatorCodes[o.opcodeIndex].builtinCode for g in model.subgraphs for o in g.operators}
    assert not operations & {schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.SHAPE}


def test_the_weights_file_is_float16(weights_paths):
    for path in weights_paths.values():
        kinds = set()
        with h5py.File(path) as file:
            file.visititems(lambda _, item, kinds=kinds: kinds.add(getattr(item, "dtype", None)))
        assert {kind for kind in kinds if kind is not None and kind.kind == "f"} == {np.dtype(np.float16)}


def test_the_weights_file_holds_what_the_network_learned_and_no_optimizer(tmp_path):
    network = new_network("lstm", True)
    trainer = Trainer(network, TrainingOptions(), num_steps=10)
    ones = np.ones((2, 2, 3), np.int32)
    features, weights = np.ones((2, NUM_REGIONS, DEPTH), np.float32), ones.astype(np.float32)
    trainer.step(Batch(("a.jpg", "b.jpg"), features, ones, ones, weights))
    path = tmp_path / "decoder.weights.h5"
    save_decoder_weights(network, path)
    sizes = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: sizes.update({name: getattr(item, "size", 0)}))
    assert sum(size for name, size in sizes.items() if "seed" not in name) == network.count_params()
    assert not [name for name in sizes if "optimizer" in name or "moment" in name]


@pytest.mark.parametrize("shape", SIX, ids=str)
def test_weights_come_back_rounded_to_float16(shape, weights_paths):
    network = old_network(*shape)
    load_weights(network, weights_paths[shape])
    for variable in network.trainable_variables:
        weights = variable.numpy()
        np.testing.assert_array_equal(weights, weights.astype(np.float16))
    assert any(np.abs(variable.numpy()).max() > 0.1 for variable in network.trainable_variables)


def test_writing_weights_leaves_nothing_beside_them(tmp_path):
    save_decoder_weights(old_network("rnn", False), tmp_path / "decoder.weights.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.weights.h5"]


@pytest.mark.parametrize("theirs", SIX, ids=str)
def test_the_weights_of_another_network_are_refused(theirs, weights_paths):
    for ours in SIX:
        if ours != theirs:
            with pytest.raises(ModelError, match="the weights do not fit the network") as caught:
                load_weights(old_network(*ours), weights_paths[theirs])
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"units": UNITS + 1}, {"vocabulary_size": VOCABULARY_SIZE + 1}], ids=str)
def test_weights_of_another_size_are_refused(change, weights_paths):
    with pytest.raises(ModelError, match="the weights do not fit the network"):
        load_weights(new_network("lstm", True, **change), weights_paths["lstm", True])


@pytest.mark.parametrize("content", [None, b"", b"no weights at all", b"\x89HDF\r\n\x1a\n cut short"])
def test_a_weights_file_that_is_missing_or_broken_is_named(content, tmp_path):
    path = tmp_path / "decoder.weights.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"decoder\.weights\.h5: ") as caught:
        load_weights(old_network("rnn", False), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x1c\0\0\0TFL3" + bytes(60)])
def test_a_file_that_is_no_graph_is_named(content, tmp_path):
    path = tmp_path / "decoder.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"decoder\.tflite: not a LiteRT model") as caught:
        Decoder(path).check()
    assert "\n" not in str(caught.value)


def test_a_graph_without_begin_and_step_is_refused(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, "x")])
    def speak(x):
        return {"y": x + 1}

    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"speak": speak})
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
    (tmp_path / "decoder.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"decoder\.tflite: lacks the signatures begin and step"):
        Decoder(tmp_path / "decoder.tflite").check()
