"""Weights that are written down once: in the graph, where it holds them."""

import shutil

import h5py
import numpy as np
import pytest

from captioner.decoder_weights import make_weights_thin, whole_decoder_weights
from captioner.errors import ModelError
from captioner.model_folder import DECODER_GRAPH, DECODER_WEIGHTS
from captioner.presets import PRESETS


@pytest.fixture
def folder(tmp_path):
    """A decoder's graph and all of its weights."""
    shutil.copyfile(PRESETS["flickr8k-rnn"] / DECODER_GRAPH, tmp_path / DECODER_GRAPH)
    with whole_decoder_weights(PRESETS["flickr8k-rnn"]) as path:
        shutil.copyfile(path, tmp_path / DECODER_WEIGHTS)
    return tmp_path


@pytest.mark.parametrize("name", PRESETS)
def test_shipped_models_write_no_number_twice(name):
    assert (PRESETS[name] / DECODER_WEIGHTS).stat().st_size < 0.1 * (PRESETS[name] / DECODER_GRAPH).stat().st_size


def content_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: (item[()] if isinstance(item, h5py.Dataset) else None, dict(item.attrs))}
            )
        )
    return found


def test_a_thin_file_gives_all_weights_back(folder):
    before, size = content_of(folder / DECODER_WEIGHTS), (folder / DECODER_WEIGHTS).stat().st_size
    make_weights_thin(folder)
    assert (folder / DECODER_WEIGHTS).stat().st_size < 0.1 * size
    with whole_decoder_weights(folder) as path:
        after = content_of(path)
    assert before.keys() == after.keys()
    for name, (array, attributes) in before.items():
        np.testing.assert_array_equal(after[name][0], array, err_msg=name)
        assert after[name][1] == attributes
    make_weights_thin(folder)  # once more changes nothing
    with whole_decoder_weights(folder) as path:
        np.testing.assert_array_equal(content_of(path)["embedding/vars/0"][0], before["embedding/vars/0"][0])


def test_a_file_that_is_whole_is_given_as_it_is(folder):
    with whole_decoder_weights(folder) as path:
        assert path == folder / DECODER_WEIGHTS


def test_a_graph_that_is_cut_short_is_named(folder):
    make_weights_thin(folder)
    graph = (folder / DECODER_GRAPH).read_bytes()
    (folder / DECODER_GRAPH).write_bytes(graph[: len(graph) // 2])
    with pytest.raises(ModelError, match=f"does not fit {DECODER_GRAPH}"), whole_decoder_weights(folder):
        pass


def test_a_file_that_is_none_is_named(folder):
    (folder / DECODER_WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as weights"), whole_decoder_weights(folder):
        pass
