"""The shipped model on real photographs: Flickr8k's dev split, where CAPTIONER_FLICKR8K says it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from captioner import Captioner
from captioner.cli import main
from captioner.datasets import read_annotations
from captioner.encoders import encoder_spec, shipped_graph
from captioner.errors import ModelError
from captioner.evaluation import score_examples
from captioner.images import read_image
from captioner.metrics import wording
from captioner.model_folder import DECODER_GRAPH
from captioner.options import DecodingOptions
from captioner.presets import PRESETS, SHARED_ENCODERS, open_model

MAX_GRAPH_BYTES = 40e6
SAID = Path(__file__).with_name("shipped_captions.jsonl")  # of the first 100 dev photos, when its scores were taken


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
    graphs = captioner.folder.encoder_graph_path, captioner.folder.path / DECODER_GRAPH
    assert sum(graph.stat().st_size for graph in graphs) <= MAX_GRAPH_BYTES


def test_its_encoder_goes_by_a_key_of_its_own_where_it_was_tuned(captioner):
    folder = captioner.folder
    assert folder.encoder.key == folder.training["encoder"]["key"]
    _, shipped_key = shipped_graph(folder.encoder.name, folder.encoder.precision)
    assert (folder.encoder.key == shipped_key) is (folder.encoder_weights_path is None)


@pytest.mark.parametrize("decoder", ["gru", "rnn"])
def test_the_companions_show_the_other_decoders_through_the_shared_encoder(decoder):
    folder = Captioner.load(f"flickr8k-{decoder}").folder
    assert folder.network.decoder == decoder and folder.network.attention
    assert folder.encoder_graph_path == SHARED_ENCODERS[folder.encoder.precision]
    assert (folder.path / DECODER_GRAPH).stat().st_size <= 12e6


@pytest.mark.parametrize("name", PRESETS)
def test_models_lists_it_with_size_scores_and_licence(name):
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if line.startswith(f"{name} "))
    assert f"{open_model(name).network.decoder.upper()} with attention" in row
    assert "MB" in row and ("CC BY 4.0" if name.startswith("everyday") else "non-commercial") in row


def test_models_lists_the_others_where_one_is_broken(monkeypatch):
    def opened(name):
        if name == "flickr8k-gru":
            raise ModelError("flickr8k-gru: altered since the model was made")
        return open_model(name)

    monkeypatch.setattr("captioner.presets.open_model", opened)
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines()[1:4]] == ["everyday", "flickr8k", "flickr8k-rnn"]
    assert result.stderr == "failed: flickr8k-gru: altered since the model was made\n"


@pytest.mark.slow
def test_dev_scores_are_those_of_the_model_card(captioner, dev, dev_captions):
    scores = score_examples(dev[0], dev_captions)
    recorded = captioner.folder.training["dev_scores"]
    for name in ("bleu_4", "cider"):
        assert scores[name] == pytest.approx(recorded[name], abs=0.003)
    assert scores["bleu_4"] >= 0.235
    assert scores["cider"] >= 0.59


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["gru", "rnn"])
def test_the_companions_score_as_their_cards_say(decoder, dev):
    """On the first 200 photos, whose CIDEr-D differs from that of all 1,000 by what those photos are."""
    examples, paths = (items[:200] for items in dev)
    companion = Captioner.load(f"flickr8k-{decoder}")
    scores = score_examples(examples, [caption.text for caption in companion.caption(paths)])
    recorded = companion.folder.training["dev_scores"]
    assert scores["bleu_1"] == pytest.approx(recorded["bleu_1"], abs=0.03)
    assert scores["bleu_4"] == pytest.approx(recorded["bleu_4"], abs=0.03)


@pytest.mark.slow
def test_it_says_what_it_said_when_its_scores_were_taken(dev, dev_captions):
    stored = [json.loads(line) for line in SAID.read_text(encoding="utf-8").splitlines()]
    said = {example.image: caption for example, caption in zip(dev[0], dev_captions, strict=True)}
    assert len(stored) == 100
    assert sum(said[record["image"]] == record["caption"] for record in stored) >= 98  # processors round otherwise


@pytest.mark.slow
def test_its_captions_end_as_sentences_do_and_repeat_nothing(dev_captions):
    found = wording(dev_captions)
    assert found["broken_endings"] < 0.05
    assert found["repeated_phrases"] < 0.005


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
    from captioner.decoder_weights import whole_decoder_weights
    from captioner.decoding import beam_search
    from captioner.encoders import build_encoder
    from captioner.encoders.projection import project, read_projection

    folder = captioner.folder
    is_tuned = folder.encoder_weights_path is not None
    encoder = build_encoder(folder.encoder.name, None if is_tuned else "imagenet")
    in_integers = folder.encoder.precision == "int8"
    if in_integers:
        encoder = project(encoder, read_projection(folder.encoder_graph_path, encoder_spec(folder.encoder.name).depth))
    if is_tuned:
        keras_model.load_weights(encoder, folder.encoder_weights_path)
    network = keras_model.build_network(
        folder.network, folder.vocabulary_size, folder.encoder.num_regions, folder.encoder.depth
    )
    with whole_decoder_weights(folder.path) as path:
        keras_model.load_weights(network, path)

    def step(**inputs):
        return {name: np.asarray(value) for name, value in network.step(**inputs).items()}

    images = np.stack([read_image(path, folder.encoder.image_size) for path in dev[1][:100]])
    seen_by_keras = np.concatenate([encoder.predict(images[i : i + 10], verbose=0) for i in range(0, 100, 10)])
    seen_by_litert = np.concatenate([captioner.encoder(image[None]) for image in images])
    by_photo = np.linalg.norm(seen_by_keras - seen_by_litert, axis=(1, 2)) / np.linalg.norm(seen_by_keras, axis=(1, 2))
    assert by_photo.max() <= (0.5 if in_integers else 0.001)

    seen = seen_by_litert if in_integers else seen_by_keras  # what is rounded in integers changes captions
    image = {name: np.asarray(value) for name, value in network.begin(seen).items()}
    said_by_keras = [
        captioner.tokenizer.decode(hypotheses[0].tokens) for hypotheses in beam_search(step, image, folder.decoding)
    ]
    said_by_litert = [caption.text for caption in captioner.caption_features(seen_by_litert)]
    assert sum(a == b for a, b in zip(said_by_keras, said_by_litert, strict=True)) >= 98
