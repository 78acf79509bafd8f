import dataclasses
import json
import math

import pytest

from captioner.errors import OptionsError
from captioner.options import (
    BootstrapOptions,
    DecodingOptions,
    FineTuningOptions,
    NetworkOptions,
    PrepareOptions,
    TrainingOptions,
)

ALL = [PrepareOptions, NetworkOptions, TrainingOptions, FineTuningOptions, DecodingOptions, BootstrapOptions]


@pytest.mark.parametrize("options", ALL)
def test_defaults_are_valid_and_survive_json(options):
    made = options()
    assert options.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_other_values_survive_json():
    for made in (
        PrepareOptions("sidecar", "cnn", "float", 1, (1.0, 0.0, 3.5), -4),
        PrepareOptions(min_count=None),
        NetworkOptions("gru", False, 7, 9, 0.0),
        TrainingOptions(epochs=1, label_smoothing=0.0, ema_decay=0.0, warmup_steps=0, seed=2**32 - 1),
        DecodingOptions(3, 2, 0, 1, 0.0),
    ):
        assert type(made).from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize("options", ALL)
def test_options_cannot_be_changed_once_made(options):
    made = options()
    name = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, getattr(made, name))


def test_json_without_a_name_takes_its_default():
    assert NetworkOptions.from_json({"units": 3, "heads": 8}) == NetworkOptions(units=3)
    assert NetworkOptions.from_json({"units": 3}) == NetworkOptions(units=3, heads=1)  # as all were once


def test_an_unknown_name_is_refused_with_those_known():
    with pytest.raises(OptionsError, match=r"unknown options \['unit'\]; known are .*'units'"):
        NetworkOptions.from_json({"unit": 3})


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (NetworkOptions, {"units": "many"}),
        (NetworkOptions, {"units": 1.5}),
        (NetworkOptions, {"units": True}),
        (NetworkOptions, {"units": None}),
        (NetworkOptions, {"attention": 1}),
        (NetworkOptions, {"attention": "no"}),
        (NetworkOptions, {"decoder": 3}),
        (NetworkOptions, {"decoder": ["lstm"]}),
        (NetworkOptions, {"dropout": "0.5"}),
        (PrepareOptions, {"split": "0.8,0.1,0.1"}),
        (PrepareOptions, {"split": [0.8, "0.1", 0.1]}),
        (PrepareOptions, {"split": 1}),
        (PrepareOptions, {"min_count": "few"}),
        (PrepareOptions, {"min_count": 1.5}),
        (PrepareOptions, {"encoder_precision": 8}),
        (DecodingOptions, {"length_exponent": True}),
    ],
)
def test_json_of_the_wrong_kind_is_refused_by_name(options, values):
    with pytest.raises(OptionsError, match=next(iter(values))):
        options.from_json(values)


def test_a_whole_number_does_for_a_fraction():
    assert NetworkOptions.from_json({"dropout": 0}).dropout == 0


@pytest.mark.parametrize("values", [None, [], "units", 3])
def test_json_that_is_no_object_is_refused(values):
    with pytest.raises(OptionsError, match="must be a JSON object"):
        NetworkOptions.from_json(values)


REFUSED = [
    (PrepareOptions, {"min_count": 0}, "min-count must be at least 1, not 0"),
    (PrepareOptions, {"encoder_precision": "int4"}, "unknown encoder precision 'int4'; choose int8 or float"),
    (PrepareOptions, {"split": (0.8, 0.2)}, "split must be three shares"),
    (PrepareOptions, {"split": (0.8, 0.1, 0.1, 0.0)}, "split must be three shares"),
    (PrepareOptions, {"split": (0.8, -0.1, 0.3)}, "split must be three shares"),
    (PrepareOptions, {"split": (math.nan, 0.1, 0.1)}, "split must be three shares"),
    (PrepareOptions, {"split": (math.inf, 0.1, 0.1)}, "split must be three shares"),
    (PrepareOptions, {"split": (0.0, 0.0, 0.0)}, "split must be three shares"),
    (PrepareOptions, {"split": (0.0, 0.5, 0.5)}, "leave photos to train on"),
    (NetworkOptions, {"decoder": "transformer"}, "unknown decoder 'transformer'; choose rnn, lstm, gru"),
    (NetworkOptions, {"units": 0}, "units must be at least 1, not 0"),
    (NetworkOptions, {"embedding_dim": -1}, "embedding-dim must be at least 1, not -1"),
    (NetworkOptions, {"dropout": 1.0}, "dropout must be at least 0 and below 1, not 1.0"),
    (NetworkOptions, {"dropout": -0.1}, "dropout must be"),
    (NetworkOptions, {"dropout": math.nan}, "dropout must be"),
    (TrainingOptions, {"epochs": 0}, "epochs must be at least 1, not 0"),
    (TrainingOptions, {"batch_size": 0}, "batch-size must be at least 1, not 0"),
    (TrainingOptions, {"patience": 0}, "patience must be at least 1, not 0"),
    (TrainingOptions, {"learning_rate": 0.0}, "learning-rate must be above 0, not 0.0"),
    (TrainingOptions, {"learning_rate": math.inf}, "learning-rate must be above 0"),
    (TrainingOptions, {"learning_rate": math.nan}, "learning-rate must be above 0"),
    (TrainingOptions, {"label_smoothing": 1.0}, "label-smoothing must be"),
    (TrainingOptions, {"ema_decay": 1.0}, "ema-decay must be"),
    (TrainingOptions, {"word_dropout": 1.0}, "word-dropout must be"),
    (TrainingOptions, {"max_tokens": 1}, "max-tokens must be at least 2, not 1"),
    (TrainingOptions, {"warmup_steps": -1}, "warmup-steps must be at least 0, not -1"),
    (TrainingOptions, {"clip_norm": 0.0}, "clip-norm must be above 0, not 0.0"),
    (TrainingOptions, {"seed": -1}, "seed must be at least 0"),
    (TrainingOptions, {"seed": 2**32}, "seed must be at least 0"),
    (FineTuningOptions, {"epochs": 0}, "fine-tune-epochs must be at least 1, not 0"),
    (FineTuningOptions, {"learning_rate": 0.0}, "fine-tune-learning-rate must be above 0, not 0.0"),
    (FineTuningOptions, {"decoder_learning_rate": math.inf}, "learning-rate must be above 0"),
    (TrainingOptions, {"flipped_share": 1.5}, "flipped-share must be from 0 to 1, not 1.5"),
    (TrainingOptions, {"photo_evenness": -0.1}, "photo-evenness must be from 0 to 1, not -0.1"),
    (DecodingOptions, {"beam_size": 0}, "beam-size must be 1 to 1000, not 0"),
    (DecodingOptions, {"beam_size": 1001}, "beam-size must be 1 to 1000, not 1001"),
    (DecodingOptions, {"num_candidates": 0}, "candidates must be at least 1, not 0"),
    (DecodingOptions, {"num_candidates": 6}, "candidates must not be more than the beam size 5, not 6"),
    (DecodingOptions, {"min_words": -1}, "min-words must be at least 0, not -1"),
    (DecodingOptions, {"max_words": 0, "min_words": 0}, "max-words must be at least 1"),
    (DecodingOptions, {"min_words": 9, "max_words": 8}, "not below min-words 9, not 8"),
    (DecodingOptions, {"length_exponent": -0.5}, "length-exponent must be at least 0, not -0.5"),
    (DecodingOptions, {"length_exponent": math.inf}, "length-exponent must be"),
    (BootstrapOptions, {"resamples": 99}, "resamples must be at least 100 and at most 100000, not 99"),
    (BootstrapOptions, {"seed": -1}, "seed must be at least 0"),
]


@pytest.mark.parametrize(("options", "values", "message"), REFUSED)
def test_a_value_that_cannot_work_is_refused_when_made(options, values, message):
    with pytest.raises(OptionsError) as caught:
        options(**values)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    with pytest.raises(OptionsError):
        options.from_json(values)


@pytest.mark.parametrize(("units", "num_heads"), [(512, 8), (256, 4), (128, 2), (130, 2), (100, 1), (32, 1), (1, 1)])
def test_heads_share_the_units_evenly_and_are_not_narrow(units, num_heads):
    assert NetworkOptions(units=units).num_heads == num_heads
