"""Every decoder in every format, and what an export says of itself."""

import itertools
import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers

from captioner import Captioner
from captioner.decoding import beam_search
from captioner.encoders.export import convert_encoder
from captioner.errors import CaptionerError, ModelError
from captioner.exporting import FORMATS, export_model, functions
from captioner.model_folder import seal
from captioner.options import DECODERS

SIX = list(itertools.product(DECODERS, (False, True)))


@pytest.fixture(scope="module", params=SIX, ids=lambda p: p[0] + (" with attention" if p[1] else ""))
def captioner(request, make_model, tmp_path_factory):
    decoder, attention = request.param
    return make_model(tmp_path_factory.mktemp("model") / "small", decoder=decoder, attention=attention)


@pytest.fixture(scope="module")
def lstm(make_model, tmp_path_factory):
    """An LSTM whose attention has several heads."""
    return make_model(tmp_path_factory.mktemp("lstm") / "small", units=128, heads=2)


@pytest.fixture(scope="module")
def exported(lstm, tmp_path_factory):
    """A function from a format to the folder of the LSTM in it, written once; nobody may change it."""

    @cache
    def written(format):
        folder = tmp_path_factory.mktemp(format) / "out"
        export_model(lstm, folder, format)
        return folder

    return written


@pytest.fixture(scope="module")
def in_integers(make_model, encoder_in_integers, tmp_path_factory):
    """A GRU whose encoder computes in integers."""
    folder = tmp_path_factory.mktemp("integers") / "small"
    return make_model(folder, encoder=encoder_in_integers, precision="int8", decoder="gru")


@pytest.mark.parametrize("format", FORMATS)
def test_each_of_the_six_says_the_same_in_every_format(captioner, format, open_export, noise, tmp_path):
    export_model(captioner, tmp_path / "out", format)
    run = open_export(tmp_path / "out")
    expected = captioner.encoder(noise)
    features = run["encode"](image=noise)["features"]
    np.testing.assert_allclose(features, expected, atol=1e-4)
    hypotheses = beam_search(run["step"], run["begin"](features=features), captioner.folder.decoding)
    captions = captioner.caption_features(expected)
    assert [captioner.tokenizer.decode(found[0].tokens) for found in hypotheses] == [each.text for each in captions]
    assert [found[0].log_prob for found in hypotheses] == pytest.approx([each.log_prob for each in captions], abs=1e-3)


@pytest.mark.parametrize("format", FORMATS)
def test_an_encoder_in_integers_says_the_same_in_every_format(format, in_integers, open_export, noise, tmp_path):
    export_model(in_integers, tmp_path / "out", format)
    run = open_export(tmp_path / "out")
    features = run["encode"](image=noise)["features"]
    steps = np.abs(features - in_integers.encoder(noise)) / in_integers.encoder.quantization.scale
    assert features.dtype == np.float32
    assert steps.max() < 1.5 and (steps > 0.5).mean() < 0.01
    hypotheses = beam_search(run["step"], run["begin"](features=features), in_integers.folder.decoding)
    captions = in_integers.caption_features(in_integers.encoder(noise))
    assert [in_integers.tokenizer.decode(found[0].tokens) for found in hypotheses] == [each.text for each in captions]


def test_only_litert_gives_integers_and_says_how_to_read_them(in_integers, tmp_path):
    described = {}
    for format in FORMATS:
        export_model(in_integers, tmp_path / format, format)
        signatures = json.loads((tmp_path / format / "model.json").read_text())["signatures"]
        assert signatures["encode"]["inputs"] == {"image": {"dtype": "uint8", "shape": ["photos", 8, 8, 3]}}
        assert signatures["begin"]["inputs"] == {"features": {"dtype": "float32", "shape": ["photos", 16, 12]}}
        described[format] = signatures["encode"]["outputs"]["features"]
    scale, zero_point = in_integers.encoder.quantization.scale[0], in_integers.encoder.quantization.zero_point
    assert described.pop("litert") == {
        "dtype": "int8",
        "shape": ["photos", 16, 12],
        "quantization": {"scale": scale, "zero_point": zero_point},
    }
    for features in described.values():
        assert features == {"dtype": "float32", "shape": ["photos", 16, 12]}


@pytest.mark.parametrize("format", FORMATS)
def test_photos_and_beams_are_free_axes(format, lstm, exported, open_export):
    run = open_export(exported(format))
    described = json.loads((exported(format) / "model.json").read_text())["signatures"]
    for photos, beams in ((1, 1), (3, 2), (2, 5)):
        image = run["begin"](features=np.ones((photos, lstm.encoder.num_regions, lstm.encoder.depth), np.float32))
        state = np.repeat(image.pop("state")[:, None], beams, axis=1)
        outputs = run["step"](token=np.ones((photos, beams), np.int32), state=state, **image)
        lengths = {"photos": photos, "beams": beams}
        for name, each in described["step"]["outputs"].items():
            shape = tuple(lengths.get(length, length) for length in each["shape"])
            assert outputs["state" if name == "next_state" else name].shape == shape


def test_tensorflow_and_onnx_runtime_agree_on_an_attention_of_several_heads(lstm, exported, open_export, noise):
    captions, attention = [], []
    for format in ("saved-model", "onnx"):
        run = open_export(exported(format))
        image = run["begin"](features=lstm.encoder(noise))
        captions.append([found[0].tokens for found in beam_search(run["step"], image, lstm.folder.decoding)])
        first = image | {"token": np.ones((len(noise), 1), np.int32), "state": image["state"][:, None]}
        attention.append(run["step"](**first)["attention"])
    assert captions[0] == captions[1]
    np.testing.assert_allclose(attention[0], attention[1], atol=1e-5)
    np.testing.assert_allclose(attention[0].sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_says_what_a_program_must_know(format, lstm, exported):
    folder = exported(format)
    description = json.loads((folder / "model.json").read_text())
    assert (description["name"], description["format"]) == ("small", format)
    assert description["image"]["size"] == lstm.encoder.image_size
    assert description["decoding"] == lstm.folder.decoding.to_json()
    assert description["special_ids"] == {"pad": 0, "start": 1, "end": 2, "unk": 3}
    assert list(description["signatures"]) == ["encode", "begin", "step"]
    image = description["signatures"]["encode"]["inputs"]["image"]
    assert image == {"dtype": "uint8", "shape": ["photos", 8, 8, 3]}
    features = description["signatures"]["encode"]["outputs"]["features"]
    assert features == {"dtype": "float32", "shape": ["photos", 16, 12]}
    for signature in description["signatures"].values():
        assert (folder / signature["file"]).is_file()
    for name in ("vocabulary.txt", "README.md"):
        assert (folder / name).read_bytes() == (lstm.folder.path / name).read_bytes()


def test_onnx_files_name_their_axes_as_described(exported):
    import onnxruntime

    folder = exported("onnx")
    for signature in json.loads((folder / "model.json").read_text())["signatures"].values():
        session = onnxruntime.InferenceSession(folder / signature["file"])
        for side, arrays in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert {array.name: array.shape for array in arrays} == {
                name: each["shape"] for name, each in signature[side].items()
            }


def test_onnx_without_its_package_is_one_line_that_names_it(lstm, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(CaptionerError, match=r"^ONNX needs the package tf2onnx: pip install 'captioner\[onnx\]'$"):
        export_model(lstm, tmp_path / "out", "onnx")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("format", ["onnx", "saved-model"])
def test_an_encoder_that_cannot_be_translated_is_named_and_nothing_is_written(format, make_model, tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = layers.Conv2D(12, 3, strides=2, padding="same")(keras.ops.cast(image, "float32"))
    odd = keras.Model(image, keras.ops.reshape(keras.ops.sin(x), (-1, 16, 12)))
    captioner = make_model(tmp_path / "odd", encoder=convert_encoder(odd))
    with pytest.raises(ModelError, match=r"encoder\.tflite: holds SIN, which the export does not know"):
        export_model(captioner, tmp_path / "out", format)
    assert os.listdir(tmp_path) == ["odd"]


@pytest.mark.parametrize(
    ("alter", "is_refused"),
    [
        (lambda features, step: features + step * (np.arange(12) % 4 == 0), False),
        (lambda features, step: features[:, ::-1], True),
        (lambda features, step: features + 20 * step, True),
        (lambda features, step: features * np.nan, True),
    ],
    ids=["a few steps apart", "regions in another order", "another zero point", "no numbers"],
)
def test_features_of_integers_may_be_rounded_otherwise_and_nothing_else(alter, is_refused, in_integers, monkeypatch):
    step = in_integers.encoder.quantization.scale[0]
    translated = functions.as_tensorflow
    monkeypatch.setattr(functions, "as_tensorflow", lambda path: lambda image: alter(translated(path)(image), step))
    with pytest.raises(ModelError, match="features of encode comes out") if is_refused else nullcontext():
        functions.model_functions(in_integers)


def test_a_model_whose_files_contradict_each_other_is_refused(make_model, tmp_path):
    folder = make_model(tmp_path / "model", units=128, heads=2).folder
    seal(folder.path, folder.name, folder.encoder, replace(folder.network, heads=1), folder.decoding)
    with pytest.raises(ModelError, match="attention of step comes out otherwise than in LiteRT"):
        export_model(Captioner.load(folder.path), tmp_path / "out", "saved-model")
    assert os.listdir(tmp_path) == ["model"]
