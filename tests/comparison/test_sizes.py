"""Sizes counted from options alone are those of the networks; matched widths come as near as widths can."""

import itertools
from dataclasses import replace

import pytest

from captioner.comparison.sizes import (
    STATES,
    Surroundings,
    matched_networks,
    multiply_adds_per_token,
    num_parameters,
    state_bytes,
)
from captioner.errors import OptionsError
from captioner.model import build_network
from captioner.options import DECODERS, NetworkOptions

FLICKR8K = Surroundings(vocabulary_size=2549, num_regions=81, depth=1280)
TINY = Surroundings(vocabulary_size=11, num_regions=5, depth=7)


def of_each(**options):
    return {decoder: NetworkOptions(decoder, **options) for decoder in DECODERS}


@pytest.mark.parametrize(("decoder", "attention"), itertools.product(DECODERS, (True, False)))
def test_parameters_and_states_are_those_of_the_network_itself(decoder, attention):
    options = NetworkOptions(decoder, attention, units=12, embedding_dim=5)
    network = build_network(options, TINY.vocabulary_size, TINY.num_regions, TINY.depth)
    assert num_parameters(options, TINY) == network.count_params()
    assert STATES[decoder] == network.num_states
    assert state_bytes(options) == 4 * 12 * network.num_states


def test_a_token_costs_its_products():
    network = NetworkOptions("gru", attention=False, units=3, embedding_dim=2)
    assert multiply_adds_per_token(network, TINY) == 3 * (2 + 3) * 3 + 3 * 11
    looking = 3 * 3 + 5 * 3 + 5 * 3 + 6 * 3
    assert multiply_adds_per_token(replace(network, attention=True), TINY) == 3 * (2 + 3) * 3 + looking + 3 * 11


def test_matched_to_an_lstm_of_512_the_others_are_wider_by_whole_heads():
    matched = matched_networks(of_each(), FLICKR8K)
    assert {name: network.units for name, network in matched.items()} == {"rnn": 640, "lstm": 512, "gru": 560}
    assert matched["gru"].num_heads == matched["lstm"].num_heads == 8
    target = num_parameters(matched["lstm"], FLICKR8K)
    for network in matched.values():
        assert abs(num_parameters(network, FLICKR8K) / target - 1) < 0.005


def test_nothing_but_the_width_is_changed_by_matching():
    networks = of_each(attention=False, units=100, embedding_dim=64, dropout=0.2)
    for name, network in matched_networks(networks, FLICKR8K).items():
        assert replace(network, units=100) == networks[name]


@pytest.mark.parametrize("units", [33, 100, 250])
def test_where_no_multiple_of_8_is_near_the_nearest_of_all_is_taken(units):
    around = Surroundings(vocabulary_size=40, num_regions=4, depth=16)
    networks = of_each(units=units, embedding_dim=8)
    target = num_parameters(networks["lstm"], around)
    for name, network in matched_networks(networks, around).items():
        counts = {w: num_parameters(replace(networks[name], units=w), around) for w in range(units, 3 * units)}
        nearest = min(counts, key=lambda width: abs(counts[width] - target))
        round_ones = [width for width in counts if width % 8 == 0 and abs(counts[width] / target - 1) <= 0.01]
        assert network.units in (round_ones or [nearest]) or name == "lstm"


def test_the_largest_is_the_largest_of_those_compared():
    matched = matched_networks({name: NetworkOptions(name) for name in ("rnn", "gru")}, FLICKR8K)
    assert matched["gru"].units == 512 < matched["rnn"].units


def test_widths_too_coarse_to_match_are_refused():
    with pytest.raises(OptionsError, match=r"no width of the gru comes within 2% of the [\d,]+ parameters of the lstm"):
        matched_networks(of_each(units=1, embedding_dim=2000), TINY)
