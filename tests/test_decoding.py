"""The search, tested in letters: a toy `step` over three of them, with a table of probabilities."""

import itertools

import numpy as np
import pytest

from captioner.decoding import Hypothesis, _best_continuations, beam_search, beam_search_stream
from captioner.options import DecodingOptions
from captioner.search_rules import SearchRules
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID

LETTERS = "abc"
FIRST_LETTER = UNK_ID + 1
VOCABULARY_SIZE = FIRST_LETTER + len(LETTERS)
NUM_STATES = 23
NEVER = 1e-9


def next_state(state, token):
    return (state * 5 + token + 1) % NUM_STATES


def toy_step(token, state, table):
    """table: (photos, states, vocabulary) log-probabilities; the state is one number, which every token moves."""
    state = next_state(state[..., 0].astype(int), token)  # (photos, beams)
    photos = np.arange(len(table))[:, None]
    return {"log_probs": table[photos, state], "state": state[..., None].astype(np.float32)}


def toy_image(tables):
    return {"state": np.zeros((len(tables), 1), np.float32), "table": np.stack(tables)}


def random_table(seed, sharpness=1.5):
    logits = np.random.default_rng(seed).normal(0, sharpness, (NUM_STATES, VOCABULARY_SIZE)).astype(np.float32)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def table_of(chances):
    """A table from `{caption so far: {letter, or "." for the end: probability}}`; all else is next to impossible."""
    table = np.full((NUM_STATES, VOCABULARY_SIZE), np.log(NEVER), np.float32)
    states = {}
    for spoken, row in chances.items():
        state = state_after(spoken)
        assert states.setdefault(state, spoken) == spoken, "two captions share a state"
        for letter, chance in row.items():
            table[state, END_ID if letter == "." else id_of(letter)] = np.log(chance) if chance else -np.inf
    return table


def id_of(letter):
    return FIRST_LETTER + LETTERS.index(letter)


def state_after(spoken):
    state = next_state(0, START_ID)
    for letter in spoken:
        state = next_state(state, id_of(letter))
    return state


def spell(hypothesis):
    return "".join(LETTERS[token - FIRST_LETTER] for token in hypothesis.tokens)


def search(tables, **options):
    return beam_search(toy_step, toy_image(tables), DecodingOptions(**options))


def log_prob_of(table, spoken):
    """The log-probability of a caption and its end, token by token."""
    total = 0.0
    for place, letter in enumerate(spoken):
        total += float(table[state_after(spoken[:place]), id_of(letter)])
    return total + float(table[state_after(spoken), END_ID])


def all_captions(table, options):
    """Every caption there is, best first: `[(caption, log-probability)]`."""
    lengths = range(options.min_words, options.max_words + 1)
    captions = ["".join(letters) for n in lengths for letters in itertools.product(LETTERS, repeat=n)]
    scored = [(spoken, log_prob_of(table, spoken)) for spoken in captions]
    return sorted(scored, key=lambda pair: -pair[1] / (len(pair[0]) + 1) ** options.length_exponent)


def greedy(table, min_words, max_words):
    spoken = ""
    while len(spoken) < max_words:
        row = table[state_after(spoken)]
        choices = {letter: row[id_of(letter)] for letter in LETTERS}
        if len(spoken) >= min_words:
            choices["."] = row[END_ID]
        best = max(choices, key=choices.get)
        if best == ".":
            break
        spoken += best
    return spoken


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("min_words", [0, 2])
def test_a_beam_of_one_is_greedy(seed, min_words):
    table = random_table(seed)
    ((found,),) = search([table], beam_size=1, min_words=min_words, max_words=6)
    assert spell(found) == greedy(table, min_words, max_words=6)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("min_words", [0, 2])
def test_a_wide_beam_equals_exhaustive_search(seed, exponent, min_words):
    table = random_table(seed)
    options = DecodingOptions(
        beam_size=121, num_candidates=8, min_words=min_words, max_words=4, length_exponent=exponent
    )
    (found,) = beam_search(toy_step, toy_image([table]), options)
    expected = all_captions(table, options)[:8]
    assert [spell(h) for h in found] == [spoken for spoken, _ in expected]
    np.testing.assert_allclose([h.log_prob for h in found], [log_prob for _, log_prob in expected], rtol=1e-6)


def test_a_wide_beam_finds_every_caption_there_is_once():
    options = DecodingOptions(beam_size=45, num_candidates=45, min_words=0, max_words=3)
    (found,) = beam_search(toy_step, toy_image([random_table(0)]), options)
    assert len(found) == 1 + 3 + 9 + 27
    assert {spell(h) for h in found} == {spoken for spoken, _ in all_captions(random_table(0), options)}


def test_a_beam_finds_what_greedy_search_misses():
    table = table_of({"": {"a": 0.6, "b": 0.4}, "a": {"a": 0.4, "b": 0.3, "c": 0.3}, "b": {".": 1.0}})
    assert spell(search([table], beam_size=1, length_exponent=0.0, max_words=2)[0][0]) == "aa"
    assert spell(search([table], beam_size=2, length_exponent=0.0, max_words=2)[0][0]) == "b"


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_special_tokens_are_never_spoken_however_likely(beam_size):
    table = random_table(3)
    table[:, [PAD_ID, START_ID, UNK_ID]] = -0.01
    (found,) = search([table], beam_size=beam_size, num_candidates=beam_size, max_words=6)
    assert found
    for hypothesis in found:
        assert min(hypothesis.tokens) >= FIRST_LETTER
        assert END_ID not in hypothesis.tokens


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("end_log_prob", [-50.0, -1e4, -np.inf])
def test_a_search_that_never_meets_the_end_still_finishes(beam_size, end_log_prob):
    table = random_table(1)
    table[:, END_ID] = end_log_prob
    found = search([table, random_table(2)], beam_size=beam_size, num_candidates=beam_size, max_words=7)
    assert [len(h.tokens) for h in found[0]] == [7] * beam_size
    assert all(np.isfinite(h.log_prob) and 0 <= h.confidence < 1e-2 for h in found[0])
    assert found[1] == search([random_table(2)], beam_size=beam_size, num_candidates=beam_size, max_words=7)[0]


def test_a_search_asks_for_no_more_steps_than_the_longest_caption_needs():
    calls = []

    def counted_step(**inputs):
        calls.append(inputs["token"].shape)
        return toy_step(**inputs)

    table = random_table(1)
    table[:, END_ID] = -50
    beam_search(counted_step, toy_image([table]), DecodingOptions(beam_size=2, max_words=4))
    assert calls == [(1, 2)] * 5


def test_a_search_stops_when_nothing_better_can_come():
    calls = []

    def counted_step(**inputs):
        calls.append(None)
        return toy_step(**inputs)

    table = table_of({"": {"a": 1.0}, "a": {".": 0.999, "b": 0.001}})
    beam_search(counted_step, toy_image([table]), DecodingOptions(beam_size=3, max_words=20))
    assert len(calls) == 2


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("min_words", [1, 3, 5])
def test_no_caption_is_shorter_than_min_words(beam_size, min_words):
    table = random_table(4)
    table[:, END_ID] = -0.01
    found = search([table], beam_size=beam_size, num_candidates=beam_size, min_words=min_words, max_words=5)
    assert min(len(h.tokens) for h in found[0]) == min_words


def test_without_min_words_a_caption_may_be_empty():
    table = table_of({"": {".": 0.9, "a": 0.1}})
    ((found,),) = search([table], beam_size=2, min_words=0, max_words=3)
    assert found.tokens == ()
    assert found.log_prob == pytest.approx(np.log(0.9))


@pytest.mark.parametrize("max_words", [1, 2, 6])
@pytest.mark.parametrize("seed", range(5))
def test_no_caption_is_longer_than_max_words(max_words, seed):
    found = search([random_table(seed)], beam_size=4, num_candidates=4, max_words=max_words, length_exponent=2.0)
    assert all(1 <= len(h.tokens) <= max_words for h in found[0])


def test_the_length_exponent_changes_the_choice_as_computed_by_hand():
    table = table_of({"": {"a": 0.9, "b": 0.1}, "a": {".": 0.4, "b": 0.6}, "ab": {".": 0.6, "c": 0.4}})
    short, long = 0.9 * 0.4, 0.9 * 0.6 * 0.6  # 0.36 in two tokens, 0.324 in three
    assert np.log(short) / 2**0.2 > np.log(long) / 3**0.2
    assert np.log(short) / 2**0.3 < np.log(long) / 3**0.3
    for exponent, expected in ((0.0, "a"), (0.2, "a"), (0.3, "ab"), (1.0, "ab")):
        (found,) = search([table], beam_size=4, num_candidates=2, max_words=2, length_exponent=exponent)
        assert spell(found[0]) == expected
        assert {spell(h) for h in found} == {"a", "ab"}


@pytest.mark.parametrize("seed", range(10))
def test_candidates_are_distinct_and_best_first(seed):
    options = DecodingOptions(beam_size=6, num_candidates=6, max_words=8)
    (found,) = beam_search(toy_step, toy_image([random_table(seed)]), options)
    scores = [h.log_prob / (len(h.tokens) + 1) ** options.length_exponent for h in found]
    assert len({h.tokens for h in found}) == len(found) == 6
    assert scores == sorted(scores, reverse=True)


def test_no_more_candidates_come_back_than_there_are_captions():
    (found,) = search([random_table(0)], beam_size=9, num_candidates=9, min_words=1, max_words=1)
    assert sorted(map(spell, found)) == ["a", "b", "c"]


@pytest.mark.parametrize("beam_size", [1, 3, 5])
def test_photos_in_a_batch_do_not_influence_each_other(beam_size):
    tables = [random_table(seed) for seed in range(12)]
    for table in tables[::3]:
        table[:, END_ID] = -20.0  # these search long after the others are done
    for table in tables[1::3]:
        table[:, END_ID] = -0.1  # and these are done at once
    together = search(tables, beam_size=beam_size, num_candidates=beam_size, max_words=9)
    alone = [search([table], beam_size=beam_size, num_candidates=beam_size, max_words=9)[0] for table in tables]
    assert together == alone
    assert len({h[0] for h in together}) > 6


def test_every_step_gets_the_image_of_the_photos_still_open_and_the_state_of_the_beams_that_go_on():
    seen = []

    def watching_step(token, state, table, values):
        assert len(token) == len(state) == len(table) == len(values)
        seen.append([int(v) for v in values[:, 0]])
        return toy_step(token, state, table)

    quick, slow = random_table(0), random_table(1)
    quick[:, END_ID], slow[:, END_ID] = -0.001, -50.0
    image = toy_image([quick, slow, quick]) | {"values": np.array([[10], [11], [12]])}
    beam_search(watching_step, image, DecodingOptions(beam_size=1, max_words=4))
    assert seen == [[10, 11, 12], [10, 11, 12], [11], [11], [11]]


@pytest.mark.parametrize("seed", range(5))
def test_log_prob_is_the_sum_over_the_tokens_and_the_end(seed):
    table = random_table(seed)
    (found,) = search([table], beam_size=4, num_candidates=4, max_words=5)
    for hypothesis in found:
        assert hypothesis.log_prob == pytest.approx(log_prob_of(table, spell(hypothesis)), rel=1e-6)


def test_confidence_is_the_geometric_mean_with_the_end():
    table = table_of({"": {"a": 0.9, "b": 0.1}, "a": {".": 0.4, "b": 0.6}})
    ((found,),) = search([table], beam_size=4, max_words=1)
    assert found.confidence == pytest.approx((0.9 * 0.4) ** (1 / 2))
    assert Hypothesis((), 0.0).confidence == 1


def test_equal_scores_are_decided_by_place_and_not_by_chance():
    table = np.full((NUM_STATES, VOCABULARY_SIZE), np.log(0.25), np.float32)
    found = search([table] * 4, beam_size=3, num_candidates=3, max_words=3, length_exponent=0.0)
    assert [spell(h) for h in found[0]] == ["a", "aa", "aaa"]
    assert found == [found[0]] * 4


def test_the_step_s_own_arrays_stay_as_they_were():
    table = random_table(0)
    before = table.copy()
    kept = []

    def keeping_step(**inputs):
        outputs = toy_step(**inputs)
        kept.append((outputs["log_probs"], outputs["log_probs"].copy()))
        return outputs

    beam_search(keeping_step, toy_image([table]), DecodingOptions(beam_size=3))
    np.testing.assert_array_equal(table, before)
    for array, copy in kept:
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("num_slots", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_stream_gives_what_photos_searched_alone_give_in_order(num_slots, beam_size):
    tables = [random_table(seed, sharpness=1 + seed % 3) for seed in range(7)]
    options = DecodingOptions(beam_size=beam_size, max_words=9)
    photos = ({"state": np.zeros(1, np.float32), "table": table} for table in tables)
    found = list(beam_search_stream(toy_step, photos, options, num_slots))
    assert found == [beam_search(toy_step, toy_image([table]), options)[0] for table in tables]


def test_a_stream_takes_a_photo_only_when_there_is_room_for_it():
    taken = []

    def photos():
        for seed in range(9):
            taken.append(seed)
            yield {"state": np.zeros(1, np.float32), "table": random_table(seed)}

    for number, _ in enumerate(beam_search_stream(toy_step, photos(), DecodingOptions(max_words=9), num_slots=2)):
        assert len(taken) <= number + 1 + 9
    assert taken == list(range(9))


def test_no_step_is_taken_with_a_slot_that_could_hold_a_photo():
    steps = []

    def step(token, state, table):
        steps.append(len(token))
        return toy_step(token, state, table)

    tables = [random_table(seed) for seed in range(12)]
    options = DecodingOptions(beam_size=2, max_words=9)
    photos = [{"state": np.zeros(1, np.float32), "table": table} for table in tables]
    alone = [sum(1 for _ in steps_of(photo, options)) for photo in photos]
    steps.clear()
    list(beam_search_stream(step, photos, options, num_slots=3))
    assert sum(steps) <= sum(alone) + 3 * (options.max_words + 1)


def steps_of(photo, options):
    """Something for each step that the search of this photo alone takes."""
    steps = []

    def step(**arguments):
        steps.append(None)
        return toy_step(**arguments)

    list(beam_search_stream(step, [photo], options, 1))
    return steps


@pytest.mark.parametrize("seed", range(8))
def test_a_stream_goes_on_while_no_photo_is_at_hand_and_takes_up_those_that_come(seed):
    random = np.random.default_rng(seed)
    tables = [random_table(seed, sharpness=1 + seed % 3) for seed in range(30)]
    options, num_slots, widths = DecodingOptions(beam_size=2, max_words=9), 5, []
    num_given = num_found = 0

    def step(token, state, table):
        widths.append(len(token))
        return toy_step(token, state, table)

    def photos():
        nonlocal num_given
        for table in tables:
            while num_given > num_found and random.random() < 0.6:
                yield None
            num_given += 1
            yield {"state": np.zeros(1, np.float32), "table": table}

    found = []
    for hypotheses in beam_search_stream(step, photos(), options, num_slots):
        found.append(hypotheses)
        num_found += 1
    assert found == [beam_search(toy_step, toy_image([table]), options)[0] for table in tables]
    assert min(widths) == 1 and 1 < max(widths) <= num_slots


def test_a_stream_of_no_photos_gives_nothing():
    assert list(beam_search_stream(toy_step, [], DecodingOptions(), 4)) == []


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("vocabulary_size", [1, 2, 7, 50, 97])
def test_the_best_continuations_are_those_of_a_full_sort(seed, vocabulary_size):
    random = np.random.default_rng(seed)
    alive = random.normal(0, 3, (3, 4))
    alive[0, 1:] = -np.inf
    log_probs = random.normal(0, 2, (3, 4, vocabulary_size)).astype(np.float32)
    count = int(random.integers(1, 12))
    scores, beams, tokens = _best_continuations(alive, log_probs, count)
    expected = -np.sort(-(alive[..., None] + log_probs).reshape(3, -1), axis=1)[:, :count]
    np.testing.assert_array_equal(scores, expected)
    photos = np.arange(3)[:, None]
    found = np.where(np.isfinite(scores), alive[photos, beams] + log_probs[photos, beams, tokens], -np.inf)
    np.testing.assert_array_equal(found, scores)


# rules: a may be said once, b lets it be said again, c is never last


def letters(chosen):
    return np.array([id >= FIRST_LETTER and LETTERS[id - FIRST_LETTER] in chosen for id in range(VOCABULARY_SIZE)])


RULES = SearchRules(is_said_once=letters("a"), is_contrasting=letters("b"), is_never_last=letters("c"))


def keeps_rules(spoken):
    repeats = any(
        letter == "a" and "a" in spoken[:place] and spoken[place - 1] != "b" for place, letter in enumerate(spoken)
    )
    return not repeats and not spoken.endswith("c")


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_best_caption_that_keeps_the_rules(seed):
    table, options = random_table(seed), DecodingOptions(beam_size=200, min_words=0, max_words=4)
    captions = ("".join(letters) for length in range(5) for letters in itertools.product(LETTERS, repeat=length))
    best = max(
        (caption for caption in captions if keeps_rules(caption)),
        key=lambda caption: log_prob_of(table, caption) / (len(caption) + 1) ** options.length_exponent,
    )
    (found,) = beam_search(toy_step, toy_image([table]), options, RULES)
    assert spell(found[0]) == best


@pytest.mark.parametrize("beam_size", [1, 3])
def test_every_caption_keeps_the_rules_and_has_an_end(beam_size):
    tables = [random_table(seed) for seed in range(60)]
    options = DecodingOptions(beam_size=beam_size, num_candidates=beam_size, max_words=5)
    found = list(
        beam_search_stream(
            toy_step, ({"state": np.zeros(1, np.float32), "table": t} for t in tables), options, 7, RULES
        )
    )
    assert len(found) == 60 and all(captions for captions in found)
    assert all(keeps_rules(spell(caption)) for captions in found for caption in captions)


def test_rules_change_nothing_where_they_forbid_nothing():
    nothing = SearchRules(*[np.zeros(VOCABULARY_SIZE, bool)] * 3)
    for seed in range(5):
        image, options = toy_image([random_table(seed)]), DecodingOptions(beam_size=3, num_candidates=3, max_words=6)
        assert beam_search(toy_step, image, options, nothing) == beam_search(toy_step, image, options)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_each_token_has_the_log_probability_that_the_step_gave_it(beam_size):
    tables = [random_table(seed) for seed in range(10)]
    found = beam_search(
        toy_step, toy_image(tables), DecodingOptions(beam_size=beam_size, num_candidates=beam_size, max_words=6)
    )
    for table, hypotheses in zip(tables, found, strict=True):
        for hypothesis in hypotheses:
            state, expected = next_state(0, START_ID), []
            for token in (*hypothesis.tokens, END_ID):
                expected.append(table[state, token])
                state = next_state(state, token)
            np.testing.assert_allclose(hypothesis.token_log_probs, expected, rtol=1e-5)
            assert sum(hypothesis.token_log_probs) == pytest.approx(hypothesis.log_prob)
