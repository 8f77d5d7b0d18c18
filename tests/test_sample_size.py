"""How many seeds or pictures it would take: against the interval itself, at the number that is said and one below."""

import math

import numpy as np
import pytest
from scipy.stats import t

from tlkit.evaluation.gains import MARGIN, MAX_COUNT, give_verdict, n_pictures_to_tell, n_seeds_to_tell
from tlkit.evaluation.paired_gains import PairedGains


def half_width(values, n, level=0.95):
    return t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n)


@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_smallest_number_of_seeds_with_a_verdict(seed, level):
    values = np.random.default_rng(seed).normal(0.04, 0.05, 6)
    mean = values.mean()

    def verdict_of(n):
        half = half_width(values, n, level)
        return give_verdict(mean - half, mean + half)

    n = int(n_seeds_to_tell(PairedGains(values), MARGIN, level=level))
    assert verdict_of(n) != "can't tell"
    assert n == 2 or verdict_of(n - 1) == "can't tell"


def test_no_difference_is_a_verdict_too():
    values = np.array([0.03, -0.03, 0.02, -0.02, 0.0])
    n = int(n_seeds_to_tell(PairedGains(values), MARGIN))
    assert half_width(values, n) <= MARGIN < half_width(values, n - 1)


def test_with_several_seeds_a_fold_whole_folds_are_counted():
    values = np.array([0.10, -0.04, 0.05, 0.02, 0.10, -0.04, 0.05, 0.02])
    folds = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    assert n_seeds_to_tell(PairedGains(values, folds), MARGIN) == 2 * n_seeds_to_tell(PairedGains(values[:4]), MARGIN)


def test_a_gain_between_zero_and_the_margin_is_told_at_its_nearer_end():
    spread = np.array([0.01, -0.01, 0.02, -0.02])
    needed = [n_seeds_to_tell(PairedGains(gain + spread), MARGIN) for gain in (0.002, 0.01, 0.018)]
    assert needed[1] > needed[0] and needed[1] > needed[2]


def test_more_than_anybody_would_run_is_infinite():
    assert n_seeds_to_tell(PairedGains(0.01 + np.array([-0.5, 0.5, -0.5, 0.5])), MARGIN) == math.inf
    assert MAX_COUNT == 1000


def test_one_seed_says_nothing():
    assert math.isnan(n_seeds_to_tell(PairedGains(np.array([0.1])), MARGIN))
    one_fold = PairedGains(np.array([0.1, 0.2]), np.array([0, 0]))
    assert math.isnan(n_seeds_to_tell(one_fold, MARGIN))
    assert math.isnan(n_pictures_to_tell(PairedGains(np.array([0.1, 0.2])), MARGIN))


def make_of_one_set(of_seeds, of_pictures, n_seeds=6, n_pictures=40, mean=0.06):
    random = np.random.default_rng(0)
    effects = of_seeds * random.normal(size=(n_seeds, 1)) + of_pictures * random.normal(size=(1, n_pictures))
    effects = effects - effects.mean() + mean + 0.01 * random.normal(size=(n_seeds, n_pictures))
    groups = np.array([f"g{picture}" for picture in range(n_pictures)])
    return PairedGains(effects.mean(axis=1), np.zeros(n_seeds, int), effects, groups)


def test_where_pictures_differ_more_pictures_tell_and_more_seeds_do_not():
    paired = make_of_one_set(of_seeds=0.001, of_pictures=0.5)
    assert n_seeds_to_tell(paired, MARGIN) == math.inf
    assert 40 < n_pictures_to_tell(paired, MARGIN) < math.inf


def test_where_seeds_differ_more_seeds_tell_and_more_pictures_do_not():
    paired = make_of_one_set(of_seeds=0.15, of_pictures=0.001)
    assert 6 < n_seeds_to_tell(paired, MARGIN) < math.inf
    assert n_pictures_to_tell(paired, MARGIN) == math.inf


def test_pictures_come_in_groups_as_large_as_those_there_are():
    paired = make_of_one_set(of_seeds=0.001, of_pictures=0.5)
    doubled = PairedGains(
        paired.gains, paired.folds, np.repeat(paired.differences, 2, axis=1), np.repeat(paired.groups, 2)
    )
    assert n_pictures_to_tell(doubled, MARGIN) == 2 * n_pictures_to_tell(paired, MARGIN)


def test_what_is_said_of_pictures_is_borne_out_by_so_many():
    paired = make_of_one_set(of_seeds=0.001, of_pictures=0.5)
    factor = math.ceil(n_pictures_to_tell(paired, MARGIN) / 40)
    more = np.tile(paired.differences, (1, factor))
    groups = np.array([f"g{picture}" for picture in range(40 * factor)])
    low, high = PairedGains(more.mean(axis=1), paired.folds, more, groups).interval()
    assert give_verdict(low, high) != "can't tell"
