"""Distances between domains, against slow loops written from their papers."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from made_domains import make_pair

from tlkit.adaptation import split_distances
from tlkit.adaptation.distances import distance_coral, distance_mmd, distance_priors, distance_proxy_a
from tlkit.adaptation.split_distances import _L2_PENALTY, KERNELS, _assign_groups


def slow_kernel(x, y, kernel, bandwidth):
    squared = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    if kernel == "gaussian":
        return math.exp(-squared / (2 * bandwidth**2))
    if kernel == "laplace":
        return math.exp(-math.sqrt(squared) / bandwidth)
    if kernel == "multi":
        return sum(slow_kernel(x, y, "gaussian", factor * bandwidth) for factor in (0.25, 0.5, 1, 2, 4))
    return sum(a * b for a, b in zip(x, y, strict=True))


def slow_mmd(source, target, kernel, bandwidth=None):
    if bandwidth is None:
        pairs = itertools.combinations([*source, *target], 2)
        bandwidth = np.median([math.dist(x, y) for x, y in pairs])
    n, m = len(source), len(target)
    within_source = sum(slow_kernel(x, y, kernel, bandwidth) for x, y in itertools.permutations(source, 2))
    within_target = sum(slow_kernel(x, y, kernel, bandwidth) for x, y in itertools.permutations(target, 2))
    across = sum(slow_kernel(x, y, kernel, bandwidth) for x in source for y in target)
    return within_source / (n * (n - 1)) + within_target / (m * (m - 1)) - 2 * across / (n * m)


def slow_covariance(values):
    n, d = values.shape
    means = [sum(row[i] for row in values) / n for i in range(d)]
    entry = lambda i, j: sum((row[i] - means[i]) * (row[j] - means[j]) for row in values) / (n - 1)  # noqa: E731
    return [[entry(i, j) for j in range(d)] for i in range(d)]


def slow_coral(source, target):
    d = source.shape[1]
    ours, theirs = slow_covariance(source), slow_covariance(target)
    return sum((ours[i][j] - theirs[i][j]) ** 2 for i in range(d) for j in range(d)) / (4 * d * d)


def slow_proxy_a(source, target, folds):
    """Fisher's discriminant in d coordinates, where the module works with products of pictures."""
    values = np.concatenate([source, target])
    is_target = np.arange(len(values)) >= len(source)
    values = values / values.std()
    wrong = {True: [], False: []}
    for fold in set(folds.tolist()):
        x, y = values[folds != fold], np.where(is_target[folds != fold], 1.0, -1.0)
        centre = x.mean(axis=0)
        penalty = _L2_PENALTY * len(x) * np.eye(x.shape[1])
        weight = np.linalg.inv((x - centre).T @ (x - centre) + penalty) @ (x - centre).T @ (y - y.mean())
        middle = (x[y > 0].mean(axis=0) + x[y < 0].mean(axis=0)) / 2
        for row, side in zip(values[folds == fold], is_target[folds == fold], strict=True):
            wrong[bool(side)].append(((row - middle) @ weight > 0) != side)
    error = (np.mean(wrong[True]) + np.mean(wrong[False])) / 2
    return 2 * (1 - 2 * error)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [None, 1.5])
@pytest.mark.parametrize("moved", [0.0, 1.0])
def test_mmd_equals_a_slow_loop(kernel, bandwidth, moved):
    source, _, target, _ = make_pair(n=12, m=9, moved=moved)
    expected = slow_mmd(source, target, kernel, bandwidth)
    assert distance_mmd(source, target, kernel, bandwidth) == pytest.approx(expected, abs=1e-9)


def test_mmd_is_unbiased():
    random = np.random.default_rng(0)
    for kernel in KERNELS:
        values = [distance_mmd(*random.normal(size=(2, 8, 3)), kernel, 1.0) for _ in range(400)]
        assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(400)


@pytest.mark.parametrize(("n", "m", "d"), [(12, 9, 4), (6, 5, 40)])
def test_coral_equals_a_slow_loop(n, m, d):
    source, _, target, _ = make_pair(n, m, d, mixed=0.5)
    assert distance_coral(source, target) == pytest.approx(slow_coral(source, target), rel=1e-9)


def test_coral_sees_no_means():
    source, _, target, _ = make_pair()
    assert distance_coral(source, target + 100) == pytest.approx(distance_coral(source, target), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(30, 18, 4), (14, 10, 40)])
def test_proxy_a_equals_a_slow_discriminant(n, m, d):
    for seed in range(4):
        source, _, target, _ = make_pair(n, m, d, seed=seed, moved=0.7)
        groups = np.arange(n + m) // 2 + 10  # of two digits each, so that their order as text is that of the numbers
        folds = _assign_groups(groups, seed)
        distance = distance_proxy_a(source, target, groups[:n], groups[n:], seed=seed)
        assert distance == pytest.approx(slow_proxy_a(source, target, folds), abs=1e-6)


def test_proxy_a_reaches_its_ends():
    random = np.random.default_rng(0)
    source, target = random.normal(size=(2, 200, 3))
    assert abs(distance_proxy_a(source, target)) < 0.3
    assert distance_proxy_a(source, target + 50) == 2


def test_proxy_a_learns_from_no_picture_of_a_group_that_it_tests():
    # Each group is a cloud of copies that is far from the others: whoever knows one of them knows its domain.
    random = np.random.default_rng(0)
    clouds = 10 * random.normal(size=(40, 200))
    values = np.repeat(clouds, 4, axis=0) + 0.01 * random.normal(size=(160, 200))
    groups = np.repeat(np.arange(40), 4)
    source, target = values[:80], values[80:]
    assert distance_proxy_a(source, target) > 1.5
    assert distance_proxy_a(source, target, groups[:80], groups[80:]) < 1


def test_groups_that_both_domains_have_stay_on_one_side():
    groups = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 3])
    folds = _assign_groups(groups, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(4))
    assert len(set(folds)) == 4


def test_folds_differ_by_seed_and_hold_about_as_many_pictures():
    groups = np.arange(50)
    assert not np.array_equal(_assign_groups(groups, 0), _assign_groups(groups, 1))
    assert set(np.bincount(_assign_groups(groups, 0))) == {10}


def test_priors_equal_a_count():
    source, target = ["a"] * 6 + ["b"] * 2 + ["c"] * 2, ["a"] * 1 + ["b"] * 3 + ["d"] * 1
    # Shares 0.6, 0.2, 0.2, 0 against 0.2, 0.6, 0, 0.2.
    assert distance_priors(source, target) == pytest.approx(0.6)
    assert distance_priors(source, source[::-1]) == 0
    assert distance_priors([0, 0], [1]) == 1


@pytest.mark.parametrize("distance", [distance_mmd, distance_coral, distance_proxy_a])
def test_distances_depend_on_neither_order_nor_side(distance):
    source, _, target, _ = make_pair(moved=0.5, mixed=0.2)
    expected = distance(source, target)
    if distance is not distance_proxy_a:  # whose folds are drawn by place
        assert distance(source[::-1], target) == pytest.approx(expected, rel=1e-9)
    assert distance(target, source) == pytest.approx(expected, rel=0.3 if distance is distance_proxy_a else 1e-9)


@pytest.mark.parametrize("distance", [distance_mmd, distance_coral, distance_proxy_a])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s, t: (s[:, 0], t), TypeError, r"source: shape \(40,\) of type float64, expected \(n, d\)"),
        (lambda s, t: (s, t.astype(str)), TypeError, "target: shape .* of type <U.*numbers"),
        (lambda s, t: (s, t[:, :3]), ValueError, "target: 3 features per picture, expected 5.*same backbone"),
        (lambda s, t: (s[:1], t), ValueError, r"source: shape \(1, 5\), expected at least two pictures"),
        (lambda s, t: (s, np.where(t > 1, np.nan, t)), ValueError, "target: some values are NaN"),
    ],
)
def test_what_has_no_distance_is_refused(distance, change, error, message):
    source, _, target, _ = make_pair()
    with pytest.raises(error, match=message):
        distance(*change(source, target))


def test_settings_that_are_none_are_refused():
    source, _, target, _ = make_pair()
    with pytest.raises(ValueError, match=r"kernel: 'gausian' is unknown; nearest: 'gaussian'"):
        distance_mmd(source, target, "gausian")
    with pytest.raises(ValueError, match="bandwidth: 0, expected a number above 0"):
        distance_mmd(source, target, bandwidth=0)
    with pytest.raises(ValueError, match=r"target_groups: None, expected \(30,\)"):
        distance_proxy_a(source, target, np.arange(40))
    with pytest.raises(ValueError, match=r"source_groups: shape \(3,\), expected \(40,\)"):
        distance_proxy_a(source, target, np.arange(3), np.arange(30))
    with pytest.raises(ValueError, match="all pictures are of one group"):
        distance_proxy_a(source, target, np.zeros(40), np.zeros(30))
    with pytest.raises(ValueError, match="outside fold 1 of 2 all pictures are of one domain"):
        distance_proxy_a(source, target, np.zeros(40), np.ones(30))
    with pytest.raises(ValueError, match="target_labels: none, expected the class"):
        distance_priors([1], [])


@pytest.mark.parametrize("distance", [distance_mmd, distance_coral, distance_proxy_a])
def test_arguments_are_left_as_they_were(distance):
    source, _, target, _ = make_pair()
    before = source.copy(), target.copy()
    distance(source, target)
    assert (source == before[0]).all() and (target == before[1]).all()


@pytest.mark.parametrize("n_at_once", [40, 37 * 40, 39 * 40])
@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_in_blocks_equals_that_of_all_pictures(monkeypatch, kernel, n_at_once):
    source, _, target, _ = make_pair(n=25, m=15, moved=0.3)
    expected = distance_mmd(source, target, kernel=kernel)
    monkeypatch.setattr(split_distances, "_N_AT_ONCE", n_at_once)
    assert len(list(split_distances.divide_rows(40))) > 1
    assert distance_mmd(source, target, kernel=kernel) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [20, 21])
@pytest.mark.parametrize("case", ["plain", "far outlier", "copies", "mostly copies", "two places"])
def test_the_median_distance_is_found_in_blocks(monkeypatch, n, case):
    values = np.random.default_rng(0).normal(size=(n, 4))
    if case == "far outlier":
        values[3] = 1e3
    elif case == "copies":
        values[:] = values[0]
    elif case == "two places":  # the two distances in the middle differ, each that of many pairs
        values[:] = np.eye(4)[np.repeat([0, 1], [6, n - 6])]
    elif case == "mostly copies":
        values[2:] = values[0]
    values -= values.mean(axis=0)
    expected = split_distances.find_median_distance(values)
    monkeypatch.setattr(split_distances, "_N_AT_ONCE", 16)
    monkeypatch.setattr(split_distances, "_N_BINS", 4)
    assert split_distances.find_median_distance(values) == pytest.approx(expected, rel=1e-9, abs=1e-7)


def test_proxy_a_of_many_pictures_is_that_of_few(monkeypatch):
    random = np.random.default_rng(0)
    source, target = random.normal(size=(60, 4)), random.normal(size=(40, 4)) + 0.5
    expected = distance_proxy_a(source, target)
    monkeypatch.setattr(split_distances, "_N_AT_ONCE", 100)
    assert distance_proxy_a(source, target) == expected
    training = np.arange(10, 100)
    wanted = (random.random((90, 2)) > 0.5) - 0.5
    values = np.concatenate([source, target])
    dual = split_distances._solve_dual(values @ values.T, training, wanted)
    assert split_distances._solve_primal(values, training, wanted) == pytest.approx(dual, abs=1e-12)


def test_priors_take_labels_of_tables():
    names = pd.Series(["bird", "bug"], dtype="category")
    assert distance_priors(names, np.array(["bird", "bird", "bird", "bug"], dtype=object)) == 0.25
    with pytest.raises(TypeError, match="target_labels: None at place 1"):
        distance_priors(names, ["bird", None])
