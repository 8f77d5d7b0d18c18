"""Crossings: planted ones are found, none is made up, and the interval equals a slow version of its definition."""

import math

import numpy as np
import pytest

from tlkit.comparison.crossings import CANNOT_TELL, CROSSES, NO_CROSSING, find_crossings
from tlkit.evaluation.intervals import two_way_interval
from tlkit.evaluation.paired_gains import PairedGains

SPREAD = np.array([-2, -1, 0, 1, 2]) / 128  # halves of halves: their mean is zero to the last bit


def make_pairs(means, spread=SPREAD):
    return [PairedGains(mean + spread) for mean in means]


def slow_interval(gains):
    mean = sum(gains) / len(gains)
    deviation = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1))
    half = 2.7764451 * deviation / math.sqrt(len(gains))  # Student's t, 97.5 %, 4 degrees of freedom
    return mean - half, mean + half


def slow_crossing(gains, shots, n_steps=4000):
    """Walk along the axis of shots in small steps, and return where the interval of the mean gain holds zero."""
    held = []
    for left in range(len(shots) - 1):
        for step in range(n_steps + 1):
            share = step / n_steps
            here = [(1 - share) * a + share * b for a, b in zip(gains[left], gains[left + 1], strict=True)]
            low, high = slow_interval(here)
            if low <= 0 <= high:
                held.append(shots[left] * (shots[left + 1] / shots[left]) ** share)
    return min(held), max(held)


@pytest.mark.parametrize("seed", range(6))
def test_a_planted_crossing_is_found_with_the_interval_of_a_slow_version(seed):
    random = np.random.default_rng(seed)
    shots = [1, 2, 5, 10, 20]
    planted = 4.0
    gains = [0.2 * math.log2(n / planted) + random.normal(0, 0.05, 5) for n in shots]
    (crossing,) = find_crossings([PairedGains(values) for values in gains], shots)
    assert crossing.verdict == CROSSES
    assert (crossing.sign_before, crossing.sign_after) == (-1, 1)
    assert (crossing.shots_low, crossing.shots_high) == pytest.approx(slow_crossing(gains, shots), rel=2e-3)
    assert crossing.shots_low < crossing.shots < crossing.shots_high
    assert crossing.shots_low < planted < crossing.shots_high


def test_the_crossing_itself_lies_where_the_mean_meets_zero_over_the_logarithm_of_shots():
    (crossing,) = find_crossings(make_pairs([-0.1, 0.3]), [2, 32])
    assert crossing.shots == pytest.approx(4)  # a quarter of the way from 2¹ to 2⁵


def test_parallel_curves_do_not_cross():
    for mean, sign in ((0.1, 1), (-0.1, -1)):
        (crossing,) = find_crossings(make_pairs([mean, mean, mean]), [1, 5, 20])
        assert (crossing.verdict, crossing.sign_before, crossing.sign_after) == (NO_CROSSING, sign, sign)
        assert math.isnan(crossing.shots)
        assert math.isnan(crossing.shots_low)


def test_of_curves_that_may_be_equal_nothing_is_told():
    (crossing,) = find_crossings(make_pairs([-0.001, 0.001]), [1, 4])
    assert (crossing.verdict, crossing.sign_before, crossing.sign_after) == (CANNOT_TELL, 0, 0)
    assert crossing.shots == pytest.approx(2)
    assert math.isnan(crossing.shots_low)
    assert math.isnan(crossing.shots_high)


@pytest.mark.parametrize("means", [[-0.1, 0.001], [-0.1, -0.001]])
def test_an_end_that_was_not_measured_stays_open(means):
    (crossing,) = find_crossings(make_pairs(means), [1, 16])
    assert crossing.verdict == CANNOT_TELL
    assert (crossing.sign_before, crossing.sign_after) == (-1, 0)
    expected, _ = slow_crossing([mean + SPREAD for mean in means], [1, 16])
    assert crossing.shots_low == pytest.approx(expected, rel=2e-3)
    assert math.isnan(crossing.shots_high)
    (mirrored,) = find_crossings(make_pairs(means[::-1]), [1, 16])
    assert mirrored.shots_high == pytest.approx(16 / expected, rel=2e-3)
    assert math.isnan(mirrored.shots_low)


def test_curves_that_cross_twice_have_two_crossings():
    first, second = find_crossings(make_pairs([-0.1, 0.1, -0.1]), [1, 4, 16])
    assert (first.shots, second.shots) == pytest.approx((2, 8))
    assert first.shots_high < 4 < second.shots_low
    assert (first.sign_after, second.sign_after) == (1, -1)


def test_a_pair_that_is_equal_over_a_stretch_crosses_in_its_middle():
    (crossing,) = find_crossings(make_pairs([-0.1, 0.0, 0.0, 0.1]), [1, 2, 8, 64])
    assert crossing.shots == pytest.approx(4)
    assert crossing.verdict == CROSSES


def test_of_several_changes_that_cannot_be_told_apart_the_middle_one_is_taken():
    (crossing,) = find_crossings(make_pairs([-0.1, 0.001, -0.001, 0.1]), [1, 2, 8, 16])
    assert crossing.shots == pytest.approx(4)
    assert crossing.shots_low < 2 < 8 < crossing.shots_high


def test_curves_that_part_in_between_only_leave_both_ends_open():
    (crossing,) = find_crossings(make_pairs([0.001, 0.1, 0.001]), [1, 4, 16])
    assert (crossing.verdict, crossing.sign_before, crossing.sign_after) == (CANNOT_TELL, 0, 0)
    assert math.isnan(crossing.shots_low)
    assert math.isnan(crossing.shots_high)


def test_one_seed_can_tell_nothing():
    (crossing,) = find_crossings([PairedGains(np.array([-0.5])), PairedGains(np.array([0.5]))], [1, 4])
    assert crossing.verdict == CANNOT_TELL
    assert crossing.shots == pytest.approx(2)


def test_on_one_test_set_the_interval_takes_its_pictures_into_account():
    random = np.random.default_rng(1)
    groups = np.array([f"g{picture // 2}" for picture in range(80)])
    effect = random.normal(0, 0.6, 80)
    tables = [np.sign(effect + mean + random.normal(0, 0.5, (5, 80))) for mean in (-0.7, 0.7)]
    pairs = [PairedGains(table.mean(axis=1), None, table, groups) for table in tables]
    (crossing,) = find_crossings(pairs, [1, 16])
    (over_seeds,) = find_crossings([PairedGains(pair.gains) for pair in pairs], [1, 16])
    assert crossing.verdict == CROSSES
    assert crossing.shots == pytest.approx(over_seeds.shots)
    assert crossing.shots_low < over_seeds.shots_low
    assert over_seeds.shots_high < crossing.shots_high
    for bound, side in ((crossing.shots_low, 1), (crossing.shots_high, 0)):
        share = math.log2(bound) / 4
        assert two_way_interval((1 - share) * tables[0] + share * tables[1], groups)[side] == pytest.approx(0, abs=1e-9)


def test_intervals_hold_a_planted_crossing_as_often_as_they_say_and_equal_curves_seldom_cross():
    random = np.random.default_rng(0)
    shots, n_trials = [1, 4, 16, 64], 300
    held = told = invented = 0
    for _ in range(n_trials):
        # A seed shifts its whole curve, as an easy test fold does, beside what is drawn anew at each number of shots.
        noise = random.normal(0, 0.03, (1, 5)) + random.normal(0, 0.03, (4, 5))
        pairs = [PairedGains(0.06 * math.log2(n / 10) + values) for n, values in zip(shots, noise, strict=True)]
        crossing = find_crossings(pairs, shots)[0]
        told += crossing.verdict == CROSSES
        held += crossing.verdict == CROSSES and crossing.shots_low <= 10 <= crossing.shots_high
        invented += find_crossings([PairedGains(values) for values in noise], shots)[0].verdict == CROSSES
    assert told / n_trials > 0.9
    assert 0.92 < held / told <= 0.99
    assert invented / n_trials < 0.02
