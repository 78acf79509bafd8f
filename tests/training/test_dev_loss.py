"""The dev loss: the mean surprise of a token, as asking the network token by token gives it."""

import keras
import numpy as np
import pytest

from captioner.datasets import Example
from captioner.model import build_network
from captioner.options import DECODERS, NetworkOptions
from captioner.tokenizer import END_ID, START_ID, Tokenizer
from captioner.training.batches import TeacherForcing
from captioner.training.dev_loss import TeacherForcedLoss

REGIONS, DEPTH = 3, 4
TOKENIZER = Tokenizer.learn(["a b c d e"], min_count=1)
PHOTOS = [["a b c", "d"], ["b", "e d c b a"], ["c c"]]


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(len(PHOTOS), REGIONS, DEPTH)).astype(np.float32)


def network_of(decoder, dropout=0.5):
    keras.utils.set_random_seed(0)
    options = NetworkOptions(decoder, units=8, embedding_dim=4, dropout=dropout)
    return build_network(options, len(TOKENIZER), REGIONS, DEPTH)


def dev_loss(network, features, photos=PHOTOS):
    examples = [Example(f"{number}.jpg", tuple(captions), "dev") for number, captions in enumerate(photos)]
    return TeacherForcedLoss(network, TeacherForcing(examples, features, np.arange(len(photos)), TOKENIZER, 10))()


def surprises(network, features, caption):
    """The natural log of one over each token's probability, the end token's last."""
    image = network.begin(features[None])
    state, fed = image.pop("state")[:, None], START_ID
    for token in [*TOKENIZER.encode(caption), END_ID]:
        said = network.step(np.array([[fed]], np.int32), state, **image)
        yield -float(said["log_probs"][0, 0, token])
        state, fed = said["state"], token


@pytest.mark.parametrize("decoder", DECODERS)
def test_it_is_the_mean_surprise_of_a_token_with_nothing_dropped(decoder, features):
    network = network_of(decoder)
    each = [
        surprise
        for photo, captions in zip(features, PHOTOS, strict=True)
        for caption in captions
        for surprise in surprises(network, photo, caption)
    ]
    assert dev_loss(network, features) == pytest.approx(np.mean(each), rel=1e-5)


def test_a_network_that_knows_nothing_is_as_surprised_as_the_vocabulary_is_large(features):
    network = network_of("rnn")
    for variable in network.vocabulary_projection.variables:
        variable.assign(np.zeros(variable.shape))
    assert dev_loss(network, features) == pytest.approx(np.log(len(TOKENIZER)), rel=1e-5)


def test_it_is_of_the_network_as_it_stands(features):
    network = network_of("rnn")
    examples = [Example("0.jpg", ("a b",), "dev")]
    ask = TeacherForcedLoss(network, TeacherForcing(examples, features, np.array([0]), TOKENIZER, 10))
    before = ask()
    network.embedding.embeddings.assign(network.embedding.embeddings.numpy() + 0.5)
    assert abs(ask() - before) > 1e-4
