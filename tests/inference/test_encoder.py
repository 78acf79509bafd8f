"""The LiteRT encoder called by many: threads and company change nothing of what a photo gives."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from captioner.encoders import encoder_spec
from captioner.inference import Encoder

PATH = encoder_spec("efficientnet-lite2-320").graph_path("int8")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 320, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def alone(images):
    encoder = Encoder(PATH, "cnn", threads=1)
    return np.concatenate([encoder(image[None]) for image in images])


@pytest.mark.parametrize(("threads", "callers"), [(1, 4), (2, 2), (3, 8)])
def test_several_threads_may_call_it_and_each_gets_its_own_answer(threads, callers, images, alone):
    encoder = Encoder(PATH, "cnn", threads)
    with ThreadPoolExecutor(callers) as pool:
        found = list(pool.map(lambda image: encoder(image[None]), images))
    assert np.array_equal(np.concatenate(found), alone)


def test_a_call_that_fails_keeps_no_graph_for_itself(images, alone):
    encoder = Encoder(PATH, "cnn", threads=1)
    with pytest.raises(AttributeError):
        encoder(None)
    assert np.array_equal(encoder(images[:1]), alone[:1])
