"""The search for a base recipe: what is varied, and that everything else stays."""

import importlib
import sys
from pathlib import Path

import pytest

from captioner.errors import OptionsError
from captioner.options import NetworkOptions, TrainingOptions

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield importlib.import_module("search_base")
    finally:
        sys.path.remove(str(SCRIPTS))


def test_a_variation_changes_what_it_names_in_network_and_training(script):
    changes = script.parse_variation("units=768,dropout=0.4,label_smoothing=0.05,attention=False")
    assert script.changed(NetworkOptions(), changes) == NetworkOptions(units=768, dropout=0.4, attention=False)
    assert script.changed(TrainingOptions(), changes) == TrainingOptions(label_smoothing=0.05)


@pytest.mark.parametrize("text", ["unit=3", "units", "units=", "units=3,,dropout=0.1"])
def test_a_variation_that_names_no_option_is_refused_with_those_there_are(script, text):
    with pytest.raises(OptionsError, match=r"NAME=VALUE with one of .*dropout.*units"):
        script.parse_variation(text)


@pytest.mark.parametrize(("text", "said"), [("units=many", "units must be of type int"), ("dropout=2", "dropout must")])
def test_a_value_that_does_not_fit_is_refused(script, text, said):
    with pytest.raises(OptionsError, match=said):
        script.changed(NetworkOptions(), script.parse_variation(text))


def test_a_row_has_a_cell_for_every_column(script):
    record = {
        "network": {"parameters": 6_150_000},
        "best_epoch": 5,
        "epochs": [{}] * 6,
        "dev_scores": {"bleu_4": 0.2251, "cider": 0.5514},
        "seconds": 840.4,
    }
    assert script.table_row("units=768", 1, record) == "| units=768 | 1 | 6.15 M | 5 of 6 | 22.5 | 55.1 | 840 |"
