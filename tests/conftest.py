"""What many tests need and only the whole run can afford to make: a prepared dataset, a trained model."""

import os
import subprocess
from pathlib import Path

import pytest

from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.datasets.drawings import write_drawings
from captioner.encoders import encoder_spec, shipped_graph
from captioner.inference import Encoder
from captioner.model_folder import EncoderInfo
from captioner.options import DecodingOptions, NetworkOptions, PrepareOptions, TrainingOptions

ENCODER = "efficientnet-lite2-320"


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory):
    """Where caches are kept while tests run, those of the commands they start as well."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def start_process():
    """A function `*command -> process`, with pipes to its stdin and from its stdout; killed when the test ends."""

    def started(*command):
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    processes = []
    yield started
    for process in processes:
        process.kill()
        with process:
            process.wait()


@pytest.fixture
def lock_folders(monkeypatch):
    """A function: from now on folders of that name cannot be listed, whoever runs the tests."""
    scandir = os.scandir

    def locked(name):
        def refusing(path):
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return locked


@pytest.fixture(scope="session")
def encoder_info():
    """The shipped encoder in integers, as a model folder names it."""
    path, key = shipped_graph(ENCODER, "int8")
    graph = Encoder(path, key)
    return EncoderInfo(ENCODER, key, encoder_spec(ENCODER).image_size, graph.num_regions, graph.depth, "int8")


@pytest.fixture(scope="session")
def prepare_drawings(tmp_path_factory):
    """A function `(num_train, num_dev, num_test) -> Dataset` of drawings, prepared with the shipped encoder."""

    def prepared(num_train, num_dev, num_test):
        folder = tmp_path_factory.mktemp("drawings")
        source = write_drawings(folder / "photos", num_train, num_dev, num_test)
        drawings = NamedSource("photos", source, *read_annotations(source))
        encoder = Encoder(*shipped_graph(ENCODER, "int8"))
        return prepare([drawings], folder / "data", PrepareOptions(min_count=1), lambda photos: encoder, threads=2)

    return prepared


@pytest.fixture(scope="session")
def drawings_dataset(prepare_drawings):
    """24 drawings to train on, 6 for dev and 6 for test, prepared."""
    return prepare_drawings(24, 6, 6)


@pytest.fixture(scope="session")
def make_run(drawings_dataset, encoder_info):
    """A function `(output_dir, dataset=, network=, decoding=, **training options) -> Run` with a tiny network.

    What its model says is short: a few steps of training end in other words on every processor, some of them without
    an end, and an alternative text of more than 125 characters would be cut.
    """
    from captioner.training import Run

    def made(output_dir, dataset=drawings_dataset, network=None, decoding=None, **training):
        return Run(
            dataset,
            output_dir,
            encoder_info,
            shipped_graph(ENCODER, "int8")[0],
            network or NetworkOptions("rnn", attention=False, units=32, embedding_dim=16, recurrent_dropout=0.0),
            TrainingOptions(**{"epochs": 2, "batch_size": 8, "flipped_share": 0.0} | training),
            decoding or DecodingOptions(max_words=8),
        )

    return made


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory, make_run):
    """The folder of an attention LSTM of 32 units, trained for a moment; nobody may change it."""
    from captioner.training import Listener, train

    network = NetworkOptions("lstm", attention=True, units=32, embedding_dim=16)
    run = make_run(tmp_path_factory.mktemp("models") / "tiny", network=network, learning_rate=5e-3)
    return train(run, resume=True, listener=Listener()).path


@pytest.fixture(scope="session")
def blind_model_dir(tmp_path_factory, make_run):
    """The folder of a GRU of 32 units without attention, trained for a moment; nobody may change it."""
    from captioner.training import Listener, train

    network = NetworkOptions("gru", attention=False, units=32, embedding_dim=16)
    run = make_run(tmp_path_factory.mktemp("models") / "blind", network=network, epochs=1, learning_rate=5e-3)
    return train(run, resume=True, listener=Listener()).path


@pytest.fixture(scope="session")
def flickr8k_dir():
    """Flickr8k as its authors laid it out, where `CAPTIONER_FLICKR8K` says it is."""
    folder = os.environ.get("CAPTIONER_FLICKR8K")
    if not folder:
        pytest.skip("CAPTIONER_FLICKR8K does not say where Flickr8k is")
    return Path(folder)
