import keras
import numpy as np
import pytest

from captioner.encoders.weights_file import assign_weights, named_variables, read_weights, write_weights
from captioner.errors import ModelError


@pytest.fixture
def weights():
    return {
        "dense.kernel": np.arange(6, dtype=np.float16).reshape(2, 3),
        "dense.bias": np.ones(3, np.float32),
    }


@pytest.fixture
def model():
    features = keras.Input((2,))
    return keras.Model(features, keras.layers.Dense(3, name="dense")(features), name="small")


def test_weights_are_read_as_they_were_written(weights, tmp_path):
    write_weights(tmp_path / "weights.npz", weights)
    found = read_weights(tmp_path / "weights.npz")
    assert list(found) == list(weights)
    for name, array in weights.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]


def test_the_same_weights_make_the_same_bytes(weights, tmp_path):
    write_weights(tmp_path / "one.npz", weights)
    write_weights(tmp_path / "two.npz", weights)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_every_variable_gets_its_array(weights, model):
    assign_weights(model, weights)
    for name, variable in named_variables(model).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), weights[name])


def test_names_missing_and_left_over_are_told(weights, model):
    weights["head.bias"] = weights.pop("dense.bias")
    with pytest.raises(ModelError, match=r"1 missing \['dense.bias'\], 1 left over \['head.bias'\]"):
        assign_weights(model, weights)


def test_a_wrong_shape_is_told_and_nothing_is_assigned(weights, model):
    before = keras.ops.convert_to_numpy(model.get_layer("dense").kernel)
    weights["dense.bias"] = np.ones(4)
    with pytest.raises(ModelError, match=r"'dense.bias' has shape \(4,\), expected \(3,\)"):
        assign_weights(model, weights)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.get_layer("dense").kernel), before)


def test_a_file_that_would_need_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "weights.npz", thing=np.array([{}], dtype=object))
    with pytest.raises(ModelError, match="cannot read the encoder weights"):
        read_weights(tmp_path / "weights.npz")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut short"])
def test_a_missing_or_broken_file_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(ModelError, match="cannot read the encoder weights"):
        read_weights(tmp_path / "weights.npz")
