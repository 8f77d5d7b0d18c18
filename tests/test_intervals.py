"""Intervals against slow versions of their definitions, and against how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy.stats import t

from tlkit.evaluation.intervals import t_interval, two_way_interval


def test_t_interval_equals_the_textbook():
    values = [0.12, 0.05, 0.31, 0.22, 0.18]
    mean = sum(values) / 5
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 4)
    half = 2.7764451 * deviation / math.sqrt(5)  # Student's t, 97.5 %, 4 degrees of freedom
    assert t_interval(values) == pytest.approx((mean - half, mean + half), abs=1e-7)


@pytest.mark.parametrize("values", [[], [0.3]])
def test_fewer_than_two_values_have_no_interval(values):
    assert all(math.isnan(bound) for bound in t_interval(values))


def slow_two_way(differences, groups):
    n_seeds, n_pictures = len(differences), len(differences[0])
    n = n_seeds * n_pictures
    mean = sum(map(sum, differences)) / n
    names = sorted(set(groups))

    def clustered(key, n_clusters):
        sums = {}
        for seed in range(n_seeds):
            for picture in range(n_pictures):
                cluster = key(seed, groups[picture])
                sums[cluster] = sums.get(cluster, 0.0) + differences[seed][picture] - mean
        return n_clusters / (n_clusters - 1) * sum(value**2 for value in sums.values()) / n**2

    by_seed = clustered(lambda seed, group: seed, n_seeds)
    by_group = clustered(lambda seed, group: group, len(names))
    by_both = clustered(lambda seed, group: (seed, group), n_seeds * len(names))
    variance = max(by_seed + by_group - by_both, by_seed, by_group)
    half = t.ppf(0.975, min(n_seeds, len(names)) - 1) * math.sqrt(variance)
    return mean - half, mean + half


@pytest.mark.parametrize("seed_effect", [0, 0.2, 2])
@pytest.mark.parametrize("seed", range(4))
def test_two_way_interval_equals_a_slow_version(seed, seed_effect):
    random = np.random.default_rng(seed)
    groups = random.choice(["a", "b", "c", "d", "e", "f"], 30)
    differences = random.integers(-1, 2, (4, 30)) + seed_effect * random.normal(size=(4, 1))
    assert two_way_interval(differences, groups) == pytest.approx(slow_two_way(differences, groups), abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_with_pictures_that_some_seeds_were_not_tested_on_it_equals_a_slow_version(seed):
    random = np.random.default_rng(seed)
    groups = [f"g{picture // 2}" for picture in range(20)]
    # Half of the time pictures are what differs, so that each part of the variance is the larger one somewhere.
    differences = random.integers(-1, 2, (6, 20)) + (seed % 2) * random.normal(size=(1, 20))
    for place in range(6):
        differences[place, [picture for picture in range(20) if picture % 3 != place % 3]] = np.nan
    rows = [[value for value in row if not math.isnan(value)] for row in differences]
    mean = sum(sum(row) / len(row) for row in rows) / 6
    sums = {"seed": {}, "group": {}, "cell": {}}
    for place, row in enumerate(differences):
        for value, group in zip(row, groups, strict=True):
            if not math.isnan(value):
                part = (value - mean) / (6 * len(rows[place]))
                for kind, key in (("seed", place), ("group", group), ("cell", (place, group))):
                    sums[kind][key] = sums[kind].get(key, 0.0) + part
    squares = {kind: sum(v**2 for v in of.values()) * len(of) / (len(of) - 1) for kind, of in sums.items()}
    variance = max(squares["seed"] + squares["group"] - squares["cell"], squares["seed"], squares["group"])
    half = t.ppf(0.975, 5) * math.sqrt(variance)
    assert two_way_interval(differences, groups) == pytest.approx((mean - half, mean + half), abs=1e-12)


def test_another_level_is_wider_or_narrower_by_student_s_quantiles():
    values = [0.12, 0.05, 0.31, 0.22, 0.18]
    widths = [np.subtract(*t_interval(values, level=level)) for level in (0.95, 0.99)]
    assert widths[1] / widths[0] == pytest.approx(4.6040949 / 2.7764451, abs=1e-6)


def test_one_seed_or_one_group_has_no_interval():
    assert math.isnan(two_way_interval([[1, 0, 1]], ["a", "b", "c"])[0])
    assert math.isnan(two_way_interval([[1, 0, 1], [0, 0, 1]], ["a", "a", "a"])[0])


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say_where_pictures_share_an_effect():
    # Pictures differ in difficulty, the same for all seeds: an interval over seeds alone is far too narrow.
    random = np.random.default_rng(0)
    held_two_way = held_over_seeds = 0
    n_trials = 400
    for _ in range(n_trials):
        differences = random.normal(size=(1, 60)) + 0.5 * random.normal(size=(5, 1)) * 0.1 + random.normal(size=(5, 60))
        low, high = two_way_interval(differences, np.arange(60))
        held_two_way += low <= 0 <= high
        low, high = t_interval(differences.mean(axis=1))
        held_over_seeds += low <= 0 <= high
    assert held_two_way / n_trials >= 0.95
    assert held_over_seeds / n_trials < 0.85
