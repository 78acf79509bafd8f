"""A model over a split, and its captions said once more."""

import numpy as np
import pytest

from captioner.datasets import Dataset
from captioner.evaluation import caption_and_replay, caption_examples
from captioner.inference import Captioner, replay_captions, replay_steps


@pytest.fixture(scope="module")
def captioner(tiny_model_dir):
    return Captioner.load(tiny_model_dir)


@pytest.fixture(scope="module")
def split(drawings_dataset):
    return drawings_dataset.split("train")


@pytest.fixture(scope="module")
def replayed(captioner, drawings_dataset, split):
    return caption_and_replay(captioner, drawings_dataset, split, captioner.folder.decoding)


def test_captions_are_the_same_with_and_without_their_replay(captioner, drawings_dataset, split, replayed):
    captions = caption_examples(captioner, drawings_dataset, split, captioner.folder.decoding)
    assert [caption for caption, _ in replayed] == captions


def test_replayed_steps_add_up_to_the_caption_s_log_probability(replayed):
    assert len({len(caption.tokens) for caption, _ in replayed}) > 1  # a batch of unequal captions
    for caption, replay in replayed:
        assert len(replay.log_probs) == len(caption.tokens) + 1
        assert replay.log_probs.sum() == pytest.approx(caption.log_prob, abs=1e-4)


def test_every_step_looks_at_the_whole_photo_once(captioner, replayed):
    for caption, replay in replayed:
        assert replay.attention.shape == (len(caption.tokens) + 1, captioner.folder.encoder.num_regions)
        np.testing.assert_allclose(replay.attention.sum(axis=1), 1, atol=1e-5)


def test_a_photo_is_replayed_alike_alone_and_among_others(captioner, drawings_dataset, split, replayed):
    features, rows = drawings_dataset.features_of(split, captioner.folder.encoder)
    for photo in (0, 5):
        tokens = replayed[photo][0].tokens
        (alone,) = replay_captions(captioner.decoder, features[rows[photo : photo + 1]], [tokens])
        np.testing.assert_allclose(alone.attention, replayed[photo][1].attention, atol=1e-5)


def test_without_the_dataset_s_features_photos_are_seen_once_more(captioner, drawings_dataset, split, tmp_path):
    for name in ("dataset.json", "captions.jsonl", "vocabulary.txt"):  # all but the features
        (tmp_path / name).write_bytes((drawings_dataset.folder / name).read_bytes())
    done = []
    found = caption_and_replay(
        captioner, Dataset.open(tmp_path), split[:3], captioner.folder.decoding, lambda *at: done.append(at)
    )
    expected = caption_examples(captioner, Dataset.open(tmp_path), split[:3], captioner.folder.decoding)
    assert [caption.text for caption, _ in found] == [caption.text for caption in expected]
    assert done == [(3, 3)]


class Endless:
    """A decoder without attention: of tokens 0 to 5, the next one is always likeliest."""

    def begin(self, features):
        return {"state": np.zeros((len(features), 1), np.float32)}

    def step(self, token, state):
        log_probs = np.full((*token.shape, 6), -5.0, np.float32)
        np.put_along_axis(log_probs, (token[..., None] + 1) % 6, -0.5, axis=2)
        return {"log_probs": log_probs, "state": state + 1}


def test_a_decoder_without_attention_is_replayed_without():
    one, other = replay_captions(Endless(), np.zeros((2, 4, 3)), [(2, 3, 4), ()])
    assert one.attention is None
    assert one.log_probs.tolist() == [-0.5, -0.5, -0.5, -5.0]  # 1 2 3 4, and the end after 4
    assert other.log_probs.tolist() == [-0.5]


def spell(token, state):
    """A decoder of six tokens whose state is the tokens that it has read, as digits."""
    return {"log_probs": np.zeros((*token.shape, 6)), "state": state * 10 + token[..., None]}


def test_a_replay_reads_every_token_and_carries_the_state():
    steps = list(replay_steps(spell, {"state": np.zeros((2, 1))}, np.array([[1, 4, 5], [1, 3, 2]], np.int32)))
    assert [step["state"].tolist() for step in steps] == [[[1], [1]], [[14], [13]], [[145], [132]]]
    assert {step["log_probs"].shape for step in steps} == {(2, 6)}
