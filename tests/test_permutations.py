"""The permutation test of a gap: what it exchanges, and how often it is wrong."""

import functools

import numpy as np
import pytest
from made_domains import make_pair

from tlkit.adaptation.distances import (
    MEASURES,
    distance_coral,
    distance_mmd,
    distance_proxy_a,
    exchange_groups,
    permute_gap,
)
from tlkit.adaptation.split_distances import measure_coral, measure_mmd

MMD = MEASURES["mmd"]


def make_grouped(n_groups, seed, size=6, d=3, moved=0.0):
    """Return (source, target, groups of each): pictures of a group resemble each other, domains don't differ."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(2 * n_groups, d))
    values = np.repeat(centres, size, axis=0) + 0.2 * random.normal(size=(2 * n_groups * size, d))
    groups = np.repeat(np.arange(2 * n_groups), size)
    half = n_groups * size
    return values[:half], values[half:] + moved, groups[:half], groups[half:]


@pytest.mark.slow
def test_permuted_pictures_raise_false_alarms_and_permuted_groups_do_not():
    alarms = {"pictures": 0, "groups": 0}
    n_trials = 200
    for seed in range(n_trials):
        source, target, *groups = make_grouped(8, seed)
        alarms["pictures"] += permute_gap(MMD, source, target, n_permutations=39, seed=seed)[1] <= 0.05
        alarms["groups"] += permute_gap(MMD, source, target, *groups, 39, seed=seed)[1] <= 0.05
    assert alarms["pictures"] > 0.5 * n_trials
    # At 5 % of 200 trials more than 19 come once in a thousand times.
    assert alarms["groups"] <= 19


def test_shared_groups_raise_no_false_alarms_and_a_gap_between_them_is_found():
    alarms = found = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        concepts = random.normal(size=(12, 3))
        source, target = (concepts + 0.2 * random.normal(size=(12, 3)) for _ in range(2))
        groups = np.arange(12)
        alarms += permute_gap(MMD, source, target, groups, groups, 39, seed=seed)[1] <= 0.05
        found += permute_gap(MMD, source, target + 0.4, groups, groups, 39, seed=seed)[1] <= 0.05
    assert alarms <= 13
    # Free of the concepts, which are five times as wide as what was moved.
    assert found > 80


@pytest.mark.parametrize("name", MEASURES)
def test_a_gap_is_found(name):
    source, target, *groups = make_grouped(10, 0, moved=0.0 if name == "coral" else 2.0)
    if name == "coral":  # which sees no move
        target = target * 5
    assert permute_gap(MEASURES[name], source, target, *groups, seed=1)[1] == 1 / 200


@pytest.mark.parametrize(
    ("distance", "measure"),
    [
        (distance_mmd, MMD),
        (functools.partial(distance_mmd, kernel="multi"), lambda *parts: measure_mmd(*parts[:2], "multi", None)),
        (
            functools.partial(distance_mmd, kernel="laplace", bandwidth=2.0),
            lambda *parts: measure_mmd(*parts[:2], "laplace", 2.0),
        ),
        (distance_coral, lambda *parts: measure_coral(*parts[:2])),
    ],
)
def test_what_is_computed_once_equals_a_call_for_every_division(distance, measure):
    source, target, *groups = make_grouped(5, 0, size=3, moved=0.3)
    values, groups = np.concatenate([source, target]), np.concatenate(groups)
    sides = exchange_groups(groups, np.arange(len(values)) >= len(source), 20, seed=0)
    slow = [distance(values[~side], values[side]) for side in sides.T]
    assert measure(values, sides, groups, 0) == pytest.approx(slow, rel=1e-9)
    p_value = sum(value >= slow[0] for value in slow) / 21
    source_groups, target_groups = groups[: len(source)], groups[len(source) :]
    found = permute_gap(measure, source, target, source_groups, target_groups, 20)
    assert found == pytest.approx((slow[0], p_value), rel=1e-9)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_distance_is_that_of_the_function_itself(seed):
    source, target, *groups = make_grouped(6, 0, moved=0.5)
    distance, p_value = permute_gap(MEASURES["proxy_a"], source, target, *groups, 0, seed)
    assert distance == distance_proxy_a(source, target, *groups, seed=seed)
    assert np.isnan(p_value)


def test_groups_change_sides_whole_and_parts_of_a_shared_one_change_places():
    groups = np.array([0, 0, 1, 2, 3, 3, 4, 4, 4])
    is_target = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1], bool)
    sides = exchange_groups(groups, is_target, 300, seed=0)
    assert (sides[:, 0] == is_target).all()
    for side in sides.T:
        assert side[0] == side[1] and side[6] == side[7] == side[8]
        assert side[4] != side[5]
        assert side[[0, 2, 3, 6]].sum() == 1  # as many groups on each side as there were
    assert {tuple(side) for side in sides[[0, 2, 3, 6]].T} == {tuple(row) for row in np.eye(4, dtype=bool)}
    assert 100 < (sides[4] != is_target[4]).sum() < 200


@pytest.mark.parametrize(("true", "null", "expected"), [(2.0, [1.0, 2.0, 3.0], 0.75), (9.0, [0.0] * 19, 0.05)])
def test_the_p_value_counts_the_true_division(true, null, expected):
    source, _, target, _ = make_pair()
    found = permute_gap(lambda *_: np.array([true, *null]), source, target, n_permutations=len(null))
    assert found == (true, expected)


def test_the_same_seed_gives_the_same_bits():
    groups, is_target = np.arange(20) // 2, np.arange(20) > 9
    first, again, other = (exchange_groups(groups, is_target, 9, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_what_can_not_be_exchanged_is_refused():
    source, _, target, _ = make_pair(n=4, m=3)
    with pytest.raises(ValueError, match=r"groups: of 2 groups with up to 5 pictures a division leaves 1 pictures"):
        permute_gap(MMD, source, target, [0, 0, 0, 0], [0, 1, 1])
    with pytest.raises(ValueError, match="groups: all pictures are of one domain"):
        exchange_groups(np.arange(3), np.zeros(3, bool), 5, 0)
