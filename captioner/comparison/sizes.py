"""What a decoder weighs and what a word costs it, counted from its options; widths at which decoders weigh the same."""

from bisect import bisect_left
from dataclasses import dataclass, replace

from captioner.errors import OptionsError
from captioner.options import NetworkOptions

GATED_VECTORS = {"rnn": 1, "lstm": 4, "gru": 3}  # vectors of `units` that each of the cell's products gives at a step
STATES = {"rnn": 1, "lstm": 2, "gru": 1}  # vectors of `units` that are carried from step to step
_BIASES = {"rnn": 1, "lstm": 4, "gru": 6}  # vectors of `units`: this GRU adds a bias to its second product, too

# Keys, values and queries are shared among heads, as many as eight, and no width but a multiple of 8 can be shared
# among all of them: a GRU of 561 units would look through one head, and differ by that from an LSTM of 512.
_STEP = 8
_NEAR_ENOUGH = 0.01  # of the largest count: so far off, a multiple of 8 is preferred to what is nearer
_TOO_FAR = 0.02


@dataclass(frozen=True)
class Surroundings:
    """What a decoder stands between: the grid of features that it looks at, and the words that it chooses from."""

    vocabulary_size: int
    num_regions: int
    depth: int


def num_parameters(network: NetworkOptions, around: Surroundings) -> int:
    """Those of `model.CaptionNetwork`, all of which are learned."""
    units, vocabulary = network.units, around.vocabulary_size
    values = (around.depth + 1 + around.num_regions) * units
    first_state = (units + 1) * STATES[network.decoder] * units
    embedding = vocabulary * network.embedding_dim
    cell = (network.embedding_dim + units) * GATED_VECTORS[network.decoder] * units + _BIASES[network.decoder] * units
    looking = 2 * units * units + (2 * units + 1) * units if network.attention else 0
    return values + first_state + embedding + cell + looking + (units + 1) * vocabulary


def multiply_adds_per_token(network: NetworkOptions, around: Surroundings) -> int:
    """Of one step of one caption; what a photo costs once is not counted."""
    units = network.units
    cell = (network.embedding_dim + units) * units * GATED_VECTORS[network.decoder]
    query, scores, seen, combination = units * units, *[around.num_regions * units] * 2, 2 * units * units
    looking = query + scores + seen + combination if network.attention else 0
    return cell + looking + units * around.vocabulary_size


def state_bytes(network: NetworkOptions) -> int:
    """What a caption carries from word to word, in float32."""
    return 4 * network.units * STATES[network.decoder]


def matched_networks(networks: dict[str, NetworkOptions], around: Surroundings) -> dict[str, NetworkOptions]:
    """The networks, the smaller ones widened until their parameters are nearest to those of the largest.

    Of widths within 1% of it a multiple of 8 is taken where there is one, for attention's heads.
    Raises: OptionsError when no width of a network comes within 2% of the largest.
    """
    largest = max(networks.values(), key=lambda network: num_parameters(network, around))
    return {name: _widened(network, largest, around) for name, network in networks.items()}


def _widened(network: NetworkOptions, largest: NetworkOptions, around: Surroundings) -> NetworkOptions:
    target = num_parameters(largest, around)
    if num_parameters(network, around) == target:
        return network

    def count(units: int) -> int:
        return num_parameters(replace(network, units=units), around)

    def distance(units: int) -> float:
        return abs(count(units) / target - 1)

    # the count rises with the width, and no cell needs eight times the width of another
    above = bisect_left(range(8 * largest.units), target, lo=network.units, key=count)
    found = min((max(above - 1, network.units), above), key=distance)
    round_widths = (above // _STEP * _STEP, -(-above // _STEP) * _STEP)
    near = [units for units in round_widths if units >= network.units and distance(units) <= _NEAR_ENOUGH]
    found = min(near, key=distance, default=found)
    if distance(found) > _TOO_FAR:
        raise OptionsError(
            f"--match-parameters: no width of the {network.decoder} comes within {_TOO_FAR:.0%} of the {target:,}"
            f" parameters of the {largest.decoder} of {largest.units} units (the nearest, {found}, has"
            f" {count(found):,}); give more --units"
        )
    return replace(network, units=found)
