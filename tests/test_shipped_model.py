"""The shipped model on real photographs: Flickr8k's dev split, where CAPTIONER_FLICKR8K says it is."""

import numpy as np
import pytest
from click.testing import CliRunner

from captioner import Captioner
from captioner.cli import main
from captioner.datasets import read_annotations
from captioner.encoders import encoder_key, encoder_spec
from captioner.evaluation import score_examples
from captioner.images import read_image
from captioner.model_folder import ENCODER_GRAPH
from captioner.options import DecodingOptions

MAX_GRAPH_BYTES = 40e6


@pytest.fixture(scope="module")
def captioner():
    return Captioner.load("flickr8k")


@pytest.fixture(scope="module")
def dev(flickr8k_dir):
    """`(examples, their photos' paths)`"""
    _, annotations = read_annotations(flickr8k_dir, "flickr8k")
    examples = [example for example in annotations.examples if example.split == "dev"]
    return examples, [annotations.images_dir / example.image for example in examples]


@pytest.fixture(scope="module")
def dev_captions(captioner, dev):
    return [caption.text for caption in captioner.caption(dev[1], DecodingOptions(beam_size=5))]


def test_both_graphs_stay_small(captioner):
    sizes = [(captioner.folder.path / name).stat().st_size for name in ("encoder.tflite", "decoder.tflite")]
    assert sum(sizes) <= MAX_GRAPH_BYTES


def test_it_sees_through_the_shipped_encoder_under_todays_key(captioner):
    encoder = captioner.folder.encoder
    assert encoder.key == captioner.folder.training["encoder"]["key"] == encoder_key(encoder.name)
    assert (captioner.folder.path / ENCODER_GRAPH).read_bytes() == encoder_spec(encoder.name).tflite_path.read_bytes()


def test_models_lists_it_with_size_scores_and_licence():
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if line.startswith("flickr8k "))
    assert "LSTM with attention" in row and "MB" in row and "non-commercial" in row


@pytest.mark.slow
def test_dev_scores_are_those_of_the_model_card(captioner, dev, dev_captions):
    scores = score_examples(dev[0], dev_captions)
    recorded = captioner.folder.training["dev_scores"]
    for name in ("bleu_4", "cider"):
        assert scores[name] == pytest.approx(recorded[name], abs=0.003)
    assert scores["bleu_4"] >= 0.22
    assert scores["cider"] >= 0.55


@pytest.mark.slow
def test_different_photos_get_different_captions(dev_captions):
    assert len(set(dev_captions)) >= 400


@pytest.mark.slow
def test_photos_of_natural_shape_lose_nothing(captioner, dev, dev_captions, flickr8k_dir):
    originals = flickr8k_dir / "originals"
    if not originals.is_dir():
        pytest.skip("this copy of Flickr8k has no originals")
    present = {path.name for path in originals.iterdir()}
    places = [place for place, example in enumerate(dev[0]) if example.image in present]
    examples = [dev[0][place] for place in places]
    squeezed = score_examples(examples, [dev_captions[place] for place in places])
    captions = captioner.caption([originals / example.image for example in examples], DecodingOptions(beam_size=5))
    natural = score_examples(examples, [caption.text for caption in captions])
    assert natural["bleu_4"] >= squeezed["bleu_4"] - 0.015


@pytest.mark.slow
def test_keras_and_litert_see_and_say_the_same(captioner, dev):
    keras_model = pytest.importorskip("captioner.model")
    from captioner.decoding import beam_search
    from captioner.encoders import build_encoder
    from captioner.model_folder import DECODER_WEIGHTS

    folder = captioner.folder
    encoder = build_encoder(folder.encoder.name)
    network = keras_model.build_network(
        folder.network, folder.vocabulary_size, folder.encoder.num_regions, folder.encoder.depth
    )
    keras_model.load_weights(network, folder.path / DECODER_WEIGHTS)

    def step(**inputs):
        return {name: np.asarray(value) for name, value in network.step(**inputs).items()}

    images = np.stack([read_image(path, folder.encoder.image_size) for path in dev[1][:100]])
    seen_by_keras = np.concatenate([encoder.predict(images[i : i + 10], verbose=0) for i in range(0, 100, 10)])
    seen_by_litert = np.concatenate([captioner.encoder(image[None]) for image in images])
    by_photo = np.linalg.norm(seen_by_keras - seen_by_litert, axis=(1, 2)) / np.linalg.norm(seen_by_keras, axis=(1, 2))
    assert by_photo.max() <= 0.001

    image = {name: np.asarray(value) for name, value in network.begin(seen_by_keras).items()}
    said_by_keras = [
        captioner.tokenizer.decode(hypotheses[0].tokens) for hypotheses in beam_search(step, image, folder.decoding)
    ]
    said_by_litert = [caption.text for caption in captioner.caption_features(seen_by_litert)]
    assert sum(a == b for a, b in zip(said_by_keras, said_by_litert, strict=True)) >= 98
