"""Runs in processes of their own, and what they end in, compared."""

import json

import h5py
import numpy as np

from captioner.model_folder import DECODER_WEIGHTS, TRAINING_RECORD
from captioner.training.loop import SAMPLES


def weights_of(folder):
    found = {}
    with h5py.File(folder / DECODER_WEIGHTS) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def record_of(folder):
    return json.loads((folder / TRAINING_RECORD).read_text())


def assert_same_end(folder, expected):
    found, expected_weights = weights_of(folder), weights_of(expected)
    assert found.keys() == expected_weights.keys()
    for name, array in expected_weights.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    for ours, theirs in zip(record_of(folder)["epochs"], record_of(expected)["epochs"], strict=True):
        assert ours["epoch"] == theirs["epoch"]
        assert ours["loss"] == theirs["loss"]
    assert {path.name for path in folder.iterdir()} == {path.name for path in expected.iterdir()}
    if (
        expected / SAMPLES
    ).exists():  # where there is a dev split: every epoch's captions, those before the end as well
        assert (folder / SAMPLES).read_bytes() == (expected / SAMPLES).read_bytes()


def spelled_out(run) -> dict:
    """A run in plain JSON, for a process of its own."""
    return {
        "dataset": str(run.dataset.folder),
        "output_dir": str(run.output_dir),
        "encoder": vars(run.encoder),
        "graph": str(run.encoder_graph_path),
        "network": run.network.to_json(),
        "training": run.training.to_json(),
    }
