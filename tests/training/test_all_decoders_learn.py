"""All six decoders learn to look: they caption drawings of scenes that they were never trained on."""

import dataclasses
import itertools

import pytest

from captioner.evaluation import caption_examples, score_examples
from captioner.inference import Captioner
from captioner.options import DECODERS, NetworkOptions
from captioner.training import Listener, train

pytestmark = pytest.mark.slow

# Without attention the whole scene must fit into the cell's first state, which takes longer to learn.
EPOCHS = {False: 20, True: 8}
SIX = list(itertools.product(DECODERS, EPOCHS))


@pytest.fixture(scope="module")
def many_drawings(prepare_drawings):
    """960 drawings to train on, and 80 of other scenes."""
    return prepare_drawings(960, 40, 40)


@pytest.fixture(scope="module")
def unseen(many_drawings):
    return [*many_drawings.split("dev"), *many_drawings.split("test")]


def test_the_unseen_scenes_are_unseen(many_drawings, unseen):
    known = {caption for example in many_drawings.split("train") for caption in example.captions}
    assert not known & {caption for example in unseen for caption in example.captions}


@pytest.mark.parametrize(("decoder", "attention"), SIX)
def test_unseen_scenes_are_captioned(decoder, attention, many_drawings, unseen, make_run, tmp_path):
    only_train = dataclasses.replace(many_drawings, examples=tuple(many_drawings.split("train")))
    run = make_run(
        tmp_path / "run",
        dataset=only_train,
        network=NetworkOptions(decoder, attention, units=128, embedding_dim=32, dropout=0.0, recurrent_dropout=0.0),
        label_smoothing=0.0,
        word_dropout=0.0,
        ema_decay=0.95,
        learning_rate=3e-3,
        epochs=EPOCHS[attention],
    )
    model = train(run, True, Listener())
    captions = [c.text for c in caption_examples(Captioner(model), many_drawings, unseen, model.decoding)]
    scores = score_examples(unseen, captions)
    print(f"{decoder}, attention {attention}: BLEU-4 {scores['bleu_4']:.3f} in {model.training['seconds']:.0f} s")
    assert scores["bleu_4"] > 0.8
    assert len(set(captions)) > len(unseen) / 2
