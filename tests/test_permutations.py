"""The permutation test of a gap: what it exchanges, and how often it is wrong."""

import functools

import numpy as np
import pytest
from made_domains import make_pair

from tlkit.adaptation.distances import Gap, distance_coral, distance_mmd, distance_proxy_a, exchange_groups, permute_gap


def make_grouped(n_groups, seed, size=6, d=3, moved=0.0):
    """Return (source, target, groups of each): pictures of a group resemble each other, domains don't differ."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(2 * n_groups, d))
    values = np.repeat(centres, size, axis=0) + 0.2 * random.normal(size=(2 * n_groups * size, d))
    groups = np.repeat(np.arange(2 * n_groups), size)
    half = n_groups * size
    return values[:half], values[half:] + moved, groups[:half], groups[half:]


def test_permuted_pictures_raise_false_alarms_and_permuted_groups_do_not():
    alarms = {"pictures": 0, "groups": 0}
    n_trials = 200
    for seed in range(n_trials):
        source, target, *groups = make_grouped(8, seed)
        alarms["pictures"] += permute_gap(distance_mmd, source, target, n_permutations=39, seed=seed).p_value <= 0.05
        alarms["groups"] += permute_gap(distance_mmd, source, target, *groups, 39, seed=seed).p_value <= 0.05
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
        alarms += permute_gap(distance_mmd, source, target, groups, groups, 39, seed=seed).p_value <= 0.05
        found += permute_gap(distance_mmd, source, target + 0.4, groups, groups, 39, seed=seed).p_value <= 0.05
    assert alarms <= 13
    # Free of the concepts, which are five times as wide as what was moved.
    assert found > 80


@pytest.mark.parametrize("distance", [distance_mmd, distance_coral, distance_proxy_a])
def test_a_gap_is_found(distance):
    source, target, *groups = make_grouped(10, 0, moved=0.0 if distance is distance_coral else 2.0)
    if distance is distance_coral:  # which sees no move
        target = target * 5
    gap = permute_gap(distance, source, target, *groups, seed=1)
    assert gap.p_value == 1 / 200
    assert len(gap.null) == 199


@pytest.mark.parametrize(
    "distance",
    [
        distance_mmd,
        functools.partial(distance_mmd, kernel="multi"),
        functools.partial(distance_mmd, kernel="laplace", bandwidth=2.0),
        distance_coral,
    ],
)
def test_what_is_computed_once_equals_a_call_for_every_division(distance):
    source, target, *groups = make_grouped(5, 0, size=3, moved=0.3)
    gap = permute_gap(distance, source, target, *groups, n_permutations=20)
    slow = permute_gap(lambda a, b: distance(a, b), source, target, *groups, n_permutations=20)
    assert gap.distance == pytest.approx(slow.distance, rel=1e-9)
    assert gap.null == pytest.approx(slow.null, rel=1e-9)


def test_the_distance_is_that_of_the_function_itself():
    source, target, *groups = make_grouped(6, 0, moved=0.5)
    assert permute_gap(distance_proxy_a, source, target, *groups, 5).distance == distance_proxy_a(
        source, target, *groups
    )
    with_seed = functools.partial(distance_proxy_a, seed=3)
    assert permute_gap(with_seed, source, target, *groups, 5).distance == distance_proxy_a(
        source, target, *groups, seed=3
    )


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


def test_the_p_value_counts_the_true_division():
    assert Gap(2.0, np.array([1.0, 2.0, 3.0])).p_value == 0.75
    assert Gap(9.0, np.zeros(19)).p_value == 0.05
    assert repr(Gap(9.0, np.zeros(19))) == "Gap(9, p = 0.050 of 19 permutations)"


def test_the_same_seed_gives_the_same_bits():
    source, _, target, _ = make_pair()
    first, again, other = (permute_gap(distance_mmd, source, target, seed=seed) for seed in (1, 1, 2))
    assert (first.null == again.null).all()
    assert (first.null != other.null).any()


def test_what_can_not_be_exchanged_is_refused():
    source, _, target, _ = make_pair(n=4, m=3)
    with pytest.raises(ValueError, match=r"groups: of 2 groups with up to 5 pictures a division leaves 1 pictures"):
        permute_gap(distance_mmd, source, target, [0, 0, 0, 0], [0, 1, 1])
    with pytest.raises(ValueError, match="n_permutations: 0, expected a whole number of at least 1"):
        permute_gap(distance_mmd, source, target, n_permutations=0)
    with pytest.raises(ValueError, match="groups: all pictures are of one domain"):
        exchange_groups(np.arange(3), np.zeros(3, bool), 5, 0)
