"""The equations of the cells, against Keras's own network, whose gates nobody else can see."""

import h5py
import numpy as np
import pytest
from equations import by_the_equations

from captioner.errors import ModelError, OptionsError
from captioner.explaining.cells import CELLS, CellWeights, check_kinds, check_part, step_inside
from captioner.explaining.weights import read_cell
from captioner.model import build_network, load_weights, save_decoder_weights
from captioner.options import DECODERS, NetworkOptions

VOCABULARY, UNITS, EMBEDDING, REGIONS, DEPTH = 20, 16, 6, 4, 5
TOKENS = (1, 7, 19, 2)


@pytest.fixture(scope="module", params=[(name, attends) for name in DECODERS for attends in (True, False)], ids=str)
def saved(request, tmp_path_factory):
    """A network with weights drawn at random, biases as well, and the file they are in."""
    decoder, attention = request.param
    options = NetworkOptions(decoder, attention=attention, units=UNITS, embedding_dim=EMBEDDING)
    network = build_network(options, VOCABULARY, REGIONS, DEPTH)
    random = np.random.default_rng(5)
    for variable in network.trainable_variables:
        variable.assign(random.normal(0, 0.6, variable.shape))
    path = tmp_path_factory.mktemp("weights") / "decoder.weights.h5"
    save_decoder_weights(network, path)
    load_weights(network, path)  # as rounded to float16
    return network, path


def keras_steps(network):
    """The states before and after each token, by Keras: `[(token, before, after)]`, states by name."""
    image = network.begin(np.random.default_rng(6).normal(size=(1, REGIONS, DEPTH)).astype(np.float32))
    state, constants = image.pop("state")[:, None], image
    names, steps = CELLS[network.options.decoder].states, []
    for token in TOKENS:
        after = network.step(np.array([[token]], np.int32), state, **constants)["state"]
        named = [dict(zip(names, np.split(np.array(s)[0, 0], len(names)), strict=True)) for s in (state, after)]
        steps.append((token, *named))
        state = after
    return steps


def test_the_states_are_those_of_the_keras_network(saved):
    network, path = saved
    decoder = network.options.decoder
    weights, embeddings = read_cell(path, network.options, VOCABULARY)
    for token, before, after in keras_steps(network):
        found = step_inside(decoder, weights, embeddings[token], before)
        for name in CELLS[decoder].states:
            np.testing.assert_allclose(found[name], after[name], atol=1e-5)


def test_every_part_is_as_the_equations_say(saved):
    network, path = saved
    decoder = network.options.decoder
    weights, embeddings = read_cell(path, network.options, VOCABULARY)
    for token, before, _ in keras_steps(network):
        found = step_inside(decoder, weights, embeddings[token], before)
        expected = by_the_equations(decoder, weights, embeddings[token], before)
        assert found.keys() == expected.keys() == {name for names in CELLS[decoder].parts.values() for name in names}
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], atol=1e-12)


def test_a_keeping_gate_of_one_keeps_the_state_whole():
    random = np.random.default_rng(7)
    for decoder, open_wide in (("lstm", {0: -1e3, 1: 1e3}), ("gru", {0: 1e3})):
        cell = CELLS[decoder]
        bias = np.zeros(cell.num_gates * UNITS)
        for gate, value in open_wide.items():
            bias[gate * UNITS : (gate + 1) * UNITS] = value
        width = len(bias)
        kernels = random.normal(size=(EMBEDDING, width)), random.normal(size=(UNITS, width))
        weights = CellWeights(*kernels, bias, np.zeros(width))
        before = {name: random.normal(size=UNITS) for name in cell.states}
        after = step_inside(decoder, weights, random.normal(size=EMBEDDING), before)
        kept = cell.states[-1]
        np.testing.assert_allclose(after[cell.keeping_gate], 1)
        np.testing.assert_allclose(after[kept], before[kept])


@pytest.mark.parametrize(
    ("decoder", "kind", "message"),
    [
        ("rnn", "gates", "an RNN has no gates; what can be seen of it: hidden"),
        ("rnn", "memory", "an RNN has no memory; what can be seen of it: hidden"),
        ("gru", "memory", "a GRU has no memory; what can be seen of it: gates, hidden"),
        ("lstm", "doors", "unknown part 'doors'; choose gates, memory, hidden"),
    ],
)
def test_what_a_cell_does_not_have_is_refused_in_one_line(decoder, kind, message):
    with pytest.raises(OptionsError) as caught:
        check_kinds(decoder, ("hidden", kind))
    assert str(caught.value) == message


def test_a_gate_of_another_cell_is_refused_in_one_line():
    with pytest.raises(OptionsError) as caught:
        check_part("gru", "forget_gate")
    said = "a GRU has no forget_gate; what can be seen of it: update_gate, reset_gate, candidate, hidden"
    assert str(caught.value) == said


def test_weights_of_another_shape_or_name_are_refused(saved, tmp_path):
    network, path = saved
    with pytest.raises(ModelError, match=r"embedding/vars/0 has the shape \(20, 6\), not \(21, 6\) as the config"):
        read_cell(path, network.options, VOCABULARY + 1)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(ModelError, match=r"other\.h5: lacks the weights embedding/vars/0$"):
        read_cell(tmp_path / "other.h5", network.options, VOCABULARY)


def test_a_file_that_holds_no_weights_is_one_plain_line(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    for name in ("broken.h5", "missing.h5"):
        with pytest.raises(ModelError, match=f"{name}: cannot be read as weights") as caught:
            read_cell(tmp_path / name, NetworkOptions(), VOCABULARY)
        assert "\n" not in str(caught.value)
