"""Several devices learn what one does."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import keras
import numpy as np
import tensorflow as tf

kind, dropout = sys.argv[1], float(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from captioner.model import build_network
from captioner.options import NetworkOptions, TrainingOptions
from captioner.training.batches import Batch
from captioner.training.devices import DEVICES
from captioner.training.teacher_forcing import Trainer

devices = DEVICES[kind]()
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)


def batch(num_photos):
    lengths = random.integers(2, 8, (num_photos, 3))
    tokens = random.integers(4, 30, (num_photos, 3, 8)).astype(np.int32)
    weights = (np.arange(8) < lengths[..., None]).astype(np.float32)
    features = random.normal(0, 1, (num_photos, 9, 12)).astype(np.float32)
    return Batch((), features, tokens, np.roll(tokens, -1, axis=2), weights)


with devices.scope():
    options = NetworkOptions("lstm", units=16, embedding_dim=8, dropout=dropout, recurrent_dropout=dropout)
    network = build_network(options, 30, 9, 12)
    trainer = Trainer(network, TrainingOptions(warmup_steps=0, learning_rate=1e-2), num_steps=100, devices=devices)
    # photos of a step: shared evenly, and at last unevenly, and too few to share
    batches = [batch(num_photos) for num_photos in [6] * 8 + [5, 6, 1]]
    losses = [trainer.step(each) for each in batches]
    state = trainer.state()
    trainer.restore(state)
    averages = trainer.averages
    copies = [getattr(v.value, "values", [v.value]) for v in network.trainable_variables]
    differ = max(float(np.abs(np.array(c) - np.array(each[0])).max()) for each in copies for c in each)
print(json.dumps({
    "devices": devices.count,
    "losses": losses,
    "weights": [float(np.abs(array.astype(np.float64)).sum()) for array in state],
    "copies_differ_by": differ,
}))
"""


SPEAKING = """
import json, sys
import keras
import numpy as np
import tensorflow as tf

kind = sys.argv[1]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from captioner.model import build_network
from captioner.options import NetworkOptions, SelfCriticalOptions, TrainingOptions
from captioner.training.batches import Batch
from captioner.training.devices import DEVICES
from captioner.training.self_critical import SelfCriticalTrainer

devices = DEVICES[kind]()
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
tokens = random.integers(4, 30, (5, 3, 8)).astype(np.int32)
features = random.normal(0, 1, (5, 9, 12)).astype(np.float32)
batch = Batch((), features, tokens, np.roll(tokens, -1, axis=2), np.ones(tokens.shape, np.float32))
with devices.scope():
    options = NetworkOptions("gru", units=16, embedding_dim=8, dropout=0.0, recurrent_dropout=0.0)
    network = build_network(options, 30, 9, 12)
    training, objective = TrainingOptions(warmup_steps=0, learning_rate=1e-2), SelfCriticalOptions()
    reward = lambda batch, said: (said == 7).mean(axis=2)
    trainer = SelfCriticalTrainer(network, training, objective, reward, num_steps=100, devices=devices)
    print(json.dumps([trainer.step(batch) for _ in range(12)]))
"""


def learned(kind, dropout=0.0):
    command = [sys.executable, "-c", CODE, kind, str(dropout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_devices_have_the_loss_of_one_at_the_same_global_batch():
    one, both = learned("one"), learned("all")
    assert (one["devices"], both["devices"]) == (1, 2)
    assert both["losses"] == pytest.approx(one["losses"], abs=1e-4)
    assert one["losses"][-1] < one["losses"][0]
    assert both["weights"] == pytest.approx(one["weights"], rel=1e-4)
    assert both["copies_differ_by"] == 0


def test_two_devices_learn_with_dropout_and_keep_the_same_weights():
    both = learned("all", dropout=0.3)
    assert both["losses"][-1] < both["losses"][0] and both["copies_differ_by"] == 0


def test_two_devices_learn_from_what_they_say_as_one_does():
    def rewards(kind):
        done = subprocess.run([sys.executable, "-c", SPEAKING, kind], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    assert rewards("all") == pytest.approx(rewards("one"), abs=1e-4)


def test_a_run_on_all_devices_ends_in_a_model_and_goes_on_where_it_was(make_run, tmp_path):
    from dataclasses import replace

    from captioner.training import Listener, train

    said = []
    run = replace(make_run(tmp_path / "all", epochs=2), devices="all")
    alone = train(make_run(tmp_path / "one", epochs=2), resume=True, listener=Listener())
    folder = train(run, resume=True, listener=Listener(say=said.append))
    assert "training on 1 device" in said
    scores = [each.training["dev_scores"] for each in (alone, folder)]
    assert scores[0] == scores[1]
