"""All six decoders learn to look: they caption drawings of scenes that they were never trained on."""

import dataclasses
import itertools

import pytest

from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.datasets.drawings import write_drawings
from captioner.encoders import ENCODERS
from captioner.encoders.efficientnet_lite import SCALES
from captioner.encoders.exported import export_into
from captioner.encoders.opening import encoder_of
from captioner.evaluation import caption_examples, score_examples
from captioner.inference import Captioner, Encoder
from captioner.options import DECODERS, DecodingOptions, NetworkOptions, PrepareOptions
from captioner.training import Listener, train

pytestmark = pytest.mark.slow

# Without attention the whole scene must fit into the cell's first state, which takes longer to learn.
EPOCHS = {False: 20, True: 8}
SIX = list(itertools.product(DECODERS, EPOCHS))
ENCODER, SIZE, NUM_REGIONS = "efficientnet-lite2-160", 160, 25


@pytest.fixture(scope="module")
def many_drawings(tmp_path_factory):
    """960 drawings to train on, and 80 of other scenes, seen by the shipped weights at a size that shows two shapes."""
    larger = "efficientnet-lite2"
    folder = tmp_path_factory.mktemp("drawings")
    source = write_drawings(folder / "photos", 960, 40, 40)
    drawings = NamedSource("photos", source, *read_annotations(source))
    smaller = {"name": ENCODER, "image_size": SIZE, "num_regions": NUM_REGIONS, "graph_files": {}}
    with pytest.MonkeyPatch.context() as patch:
        spec = dataclasses.replace(ENCODERS[larger], **smaller)
        patch.setitem(ENCODERS, ENCODER, spec)
        patch.setitem(SCALES, ENCODER, dataclasses.replace(SCALES[larger], image_size=SIZE))
        encoder = Encoder.a_photo_a_core(*export_into(folder / "data" / "features", ENCODER, "float", []))
        options = PrepareOptions(min_count=1, encoder=ENCODER, encoder_precision="float")
        yield prepare([drawings], folder / "data", options, lambda photos: encoder, threads=2)


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
        decoding=DecodingOptions(),
        network=NetworkOptions(decoder, attention, units=128, embedding_dim=32, dropout=0.0, recurrent_dropout=0.0),
        label_smoothing=0.0,
        word_dropout=0.0,
        ema_decay=0.95,
        learning_rate=3e-3,
        epochs=EPOCHS[attention],
    )
    encoder, graph_path = encoder_of(many_drawings)
    model = train(dataclasses.replace(run, encoder=encoder, encoder_graph_path=graph_path), True, Listener())
    captions = [c.text for c in caption_examples(Captioner(model), many_drawings, unseen, model.decoding)]
    scores = score_examples(unseen, captions)
    print(f"{decoder}, attention {attention}: BLEU-4 {scores['bleu_4']:.3f} in {model.training['seconds']:.0f} s")
    assert scores["bleu_4"] > 0.8
    assert len(set(captions)) > len(unseen) / 2
