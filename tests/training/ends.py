"""Runs in processes of their own, and what they end in, compared."""

import json

import numpy as np
from small_runs import arrays_of

from captioner.inference import Encoder
from captioner.model_folder import DECODER_WEIGHTS, ENCODER_WEIGHTS, TRAINING_RECORD, ModelFolder
from captioner.training.loop import SAMPLES


def weights_of(folder):
    return arrays_of(folder / DECODER_WEIGHTS)


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


def assert_same_encoder(folder, expected):
    """The same weights bit for bit, and graphs that see the same, under the same key."""
    found = arrays_of(folder / ENCODER_WEIGHTS)
    for name, array in arrays_of(expected / ENCODER_WEIGHTS).items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    ours, theirs = (ModelFolder.open(path) for path in (folder, expected))
    assert ours.encoder == theirs.encoder
    size = ours.encoder.image_size
    images = np.random.default_rng(1).integers(0, 256, (2, size, size, 3), np.uint8)
    seen, expected_to_see = (Encoder(each.encoder_graph_path, "", threads=1)(images) for each in (ours, theirs))
    np.testing.assert_array_equal(seen, expected_to_see)  # in float the bytes hold names that Keras numbers


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
