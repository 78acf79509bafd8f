import random
import time

import numpy as np
import pytest

from captioner.metrics import (
    CiderScorer,
    Part,
    Tally,
    corpus_bleu,
    interval,
    paired_differences,
    resampled_scores,
    rouge_l,
    tally_tokens,
)
from captioner.options import BootstrapOptions

OPTIONS = BootstrapOptions(resamples=200, seed=3)


def tally_of_values(values):
    return Tally((Part.of_means("cider", values),), (1,) * len(values))


def random_corpus(seed, num_photos):
    words = random.Random(seed)

    def tokens():
        return words.choices("abcdef", k=words.randint(0, 9))

    return [tokens() for _ in range(num_photos)], [[tokens() for _ in range(3)] for _ in range(num_photos)]


@pytest.fixture(scope="module")
def corpus():
    return random_corpus(0, 12)


def test_each_resample_is_scored_as_the_photos_drawn_would_be(corpus):
    captions, references = corpus
    samples = resampled_scores(tally_tokens(captions, references), OPTIONS)
    ciders = CiderScorer(references).scores(range(12), captions)  # document frequencies of all photos
    for number, drawn in enumerate(np.random.default_rng(3).integers(12, size=(200, 12))):
        their_captions, their_references = [captions[i] for i in drawn], [references[i] for i in drawn]
        bleu = corpus_bleu(their_captions, their_references)
        assert [samples[f"bleu_{order}"][number] for order in (1, 2, 3, 4)] == pytest.approx(bleu, abs=1e-12)
        assert samples["rouge_l"][number] == pytest.approx(
            np.mean(list(map(rouge_l, their_captions, their_references)))
        )
        assert samples["cider"][number] == pytest.approx(ciders[drawn].mean())


def test_the_seed_decides_the_draws(corpus):
    tally = tally_tokens(*corpus)
    first, again, other = (resampled_scores(tally, BootstrapOptions(200, seed))["bleu_4"] for seed in (3, 3, 4))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(0.5, 0.2, size=1000)
    low, high = interval(resampled_scores(tally_of_values(values), BootstrapOptions(10_000))["cider"])
    half = 1.959964 * values.std() / 1000**0.5  # 0.0121
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.0005)


def test_the_interval_leaves_out_a_fortieth_on_either_side():
    assert interval(np.arange(1001)) == pytest.approx((25, 975))


def test_the_interval_of_one_photo_is_a_point():
    tally = tally_tokens([["a", "dog"]], [[["a", "cat"]]])
    assert interval(resampled_scores(tally, OPTIONS)["bleu_1"]) == pytest.approx((0.5, 0.5))


def test_captions_without_tokens_have_intervals_of_0():
    tally = tally_tokens([[], []], [[["a"]], [["b"]]])
    assert {interval(samples) for samples in resampled_scores(tally, OPTIONS).values()} == {(0, 0)}


def test_a_corpus_too_large_for_one_draw_is_drawn_in_turns(monkeypatch):
    monkeypatch.setattr("captioner.metrics.bootstrap._DRAWS_AT_ONCE", 70)
    values = np.random.default_rng(0).random(20)
    samples = resampled_scores(tally_of_values(values), OPTIONS)["cider"]
    assert samples.shape == (200,) and len(set(samples)) > 190
    assert samples.mean() == pytest.approx(values.mean(), abs=0.02)


def test_the_same_captions_differ_by_nothing(corpus):
    tally = tally_tokens(*corpus)
    for difference in paired_differences(tally, tally, OPTIONS).values():
        assert (difference.difference, difference.interval, difference.p_value) == (0, (0, 0), 1)
        assert not difference.is_beyond_chance


def test_a_system_better_on_every_photo_is_better_beyond_chance():
    values = np.random.default_rng(0).random(50)
    found = paired_differences(tally_of_values(values + 0.01), tally_of_values(values), OPTIONS)["cider"]
    assert found.difference == pytest.approx(0.01)
    assert found.interval == pytest.approx((0.01, 0.01))  # though either score alone is known to 0.08
    assert found.p_value == pytest.approx(2 / 201)
    assert found.is_beyond_chance


def test_a_difference_in_the_last_digits_is_none():
    values = np.random.default_rng(0).random(50)
    found = paired_differences(tally_of_values(values + 1e-13), tally_of_values(values), OPTIONS)["cider"]
    assert (found.difference, found.interval, found.p_value) == (0, (0, 0), 1)


def test_the_p_value_is_that_of_the_sign_where_one_photo_decides():
    # Of 2 photos one is better by 1, the other worse by 2: the mean is above 0 where the first is drawn twice.
    ours, theirs = tally_of_values([1.0, 0.0]), tally_of_values([0.0, 2.0])
    found = paired_differences(ours, theirs, BootstrapOptions(10_000))["cider"]
    assert found.difference == pytest.approx(-0.5)
    assert found.p_value == pytest.approx(2 * 0.25, abs=0.02)
    assert found.interval == pytest.approx((-2, 1))
    assert not found.is_beyond_chance


def test_chance_alone_is_beyond_chance_in_one_case_of_twenty():
    values = np.random.default_rng(1)
    options = BootstrapOptions(resamples=400)
    num_beyond = sum(
        paired_differences(tally_of_values(values.random(60)), tally_of_values(values.random(60)), options)[
            "cider"
        ].is_beyond_chance
        for _ in range(400)
    )
    assert 0.03 <= num_beyond / 400 <= 0.08


def test_a_thousand_resamples_of_a_thousand_photos_take_less_than_a_second():
    tally = tally_tokens(*random_corpus(1, 1000))
    start = time.process_time()
    resampled_scores(tally, BootstrapOptions(1000))
    assert time.process_time() - start < 1
