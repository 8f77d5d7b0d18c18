"""The alignments, against slow versions of their own, POT's rivals and skada's."""

import functools
import itertools
import sys

import numpy as np
import pytest
from made_domains import make_blobs, make_pair

from tlkit.adaptation.alignment import align_coral, align_mean, align_scale, align_subspace, align_transport
from tlkit.heads.logistic import solve_logistic

ALIGNMENTS = [align_mean, align_scale, align_coral, align_subspace, align_transport]


def power(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**exponent) @ vectors.T


def slow_coral(source, target, shrinkage):
    """d × d, an outer product at a time."""
    covariances = []
    for values in (source, target):
        centred = values - values.mean(axis=0)
        covariance = sum(np.outer(row, row) for row in centred) / len(values)
        d = len(covariance)
        covariances.append((1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / d * np.eye(d))
    turned = power(covariances[0], -0.5) @ power(covariances[1], 0.5)
    return (source - source.mean(axis=0)) @ turned + target.mean(axis=0)


def slow_subspace(source, target, n_components):
    bases = []
    for values in (source, target):
        vectors = np.linalg.eigh(np.cov(values.T))[1]
        bases.append(vectors[:, ::-1][:, :n_components])
    ours, theirs = bases
    return (source - source.mean(axis=0)) @ ours @ ours.T @ theirs @ theirs.T + target.mean(axis=0)


def adapt_with_skada(adapter, source, target):
    values = np.concatenate([source, target])
    domain = np.repeat([1, -2], [len(source), len(target)])
    adapted = adapter.fit_transform(values, np.zeros(len(values)), sample_domain=domain)
    return adapted[domain == 1]


@pytest.mark.usefixtures("scikit_routing")
@pytest.mark.parametrize(("n", "m", "d"), [(40, 30, 5), (8, 6, 30)])
@pytest.mark.parametrize("shrinkage", [0.01, 0.5, 1.0])
def test_coral_equals_a_slow_version_and_skada(n, m, d, shrinkage):
    from skada import CORALAdapter

    source, _, target, _ = make_pair(n, m, d, moved=1.0, mixed=0.5)
    aligned = align_coral(source, target, shrinkage=shrinkage)
    assert aligned == pytest.approx(slow_coral(source, target, shrinkage), abs=1e-6)
    theirs = adapt_with_skada(CORALAdapter(reg=shrinkage), source, target)
    assert aligned - target.mean(axis=0) == pytest.approx(theirs, abs=1e-6)


def test_coral_gives_the_source_the_targets_mean_and_covariance():
    source, _, target, _ = make_pair(200, 150, 4, moved=2.0, mixed=0.5)
    aligned = align_coral(source, target, shrinkage=1e-9)
    assert aligned.mean(axis=0) == pytest.approx(target.mean(axis=0), abs=1e-9)
    assert np.cov(aligned.T, bias=True) == pytest.approx(np.cov(target.T, bias=True), abs=1e-6)


def test_mean_and_scale_equal_a_loop():
    source, _, target, _ = make_pair(moved=1.0, mixed=0.5)
    moved, scaled = align_mean(source, target), align_scale(source, target)
    for column in range(source.shape[1]):
        ours, theirs = source[:, column], target[:, column]
        expected = [value - np.mean(ours) + np.mean(theirs) for value in ours]
        assert moved[:, column] == pytest.approx(expected)
        expected = [(value - np.mean(ours)) / np.std(ours) * np.std(theirs) + np.mean(theirs) for value in ours]
        assert scaled[:, column] == pytest.approx(expected)


def test_a_silent_feature_is_only_moved():
    source, _, target, _ = make_pair()
    source[:, 2] = 7.0
    assert align_scale(source, target)[:, 2] == pytest.approx(target[:, 2].mean())


@pytest.mark.usefixtures("scikit_routing")
@pytest.mark.parametrize(("n", "m", "d", "n_components"), [(40, 30, 5, 2), (8, 7, 20, 4)])
def test_subspace_equals_a_slow_version_and_skada(n, m, d, n_components):
    from skada import SubspaceAlignmentAdapter

    source, _, target, _ = make_pair(n, m, d, moved=1.0, mixed=0.5)
    aligned = align_subspace(source, target, n_components=n_components)
    assert aligned == pytest.approx(slow_subspace(source, target, n_components), abs=1e-6)
    theirs = adapt_with_skada(SubspaceAlignmentAdapter(n_components=n_components), source, target)
    # The same up to the axes: skada gives coordinates in the target's subspace.
    products = (aligned - target.mean(axis=0)) @ (aligned - target.mean(axis=0)).T
    assert products == pytest.approx(theirs @ theirs.T, abs=1e-6)


def test_more_components_than_there_are_count_as_all():
    source, _, target, _ = make_pair(8, 7, 20)
    most = align_subspace(source, target, n_components=100)
    assert most == pytest.approx(align_subspace(source, target, n_components=6))


def test_exact_transport_is_the_cheapest_of_all_assignments():
    source, _, target, _ = make_pair(6, 6, 3, moved=1.0)
    costs = ((source[:, None] - target) ** 2).sum(axis=2)
    best = min(itertools.permutations(range(6)), key=lambda order: sum(costs[i, j] for i, j in enumerate(order)))
    assert align_transport(source, target) == pytest.approx(target[list(best)], abs=1e-9)


def test_exact_transport_of_unequal_numbers_is_a_linear_programme():
    from scipy.optimize import linprog

    source, _, target, _ = make_pair(7, 4, 3, moved=1.0)
    costs = ((source[:, None] - target) ** 2).sum(axis=2)
    sums = [np.kron(np.eye(7), np.ones(4)), np.kron(np.ones(7), np.eye(4))]
    masses = np.concatenate([np.full(7, 1 / 7), np.full(4, 1 / 4)])
    plan = linprog(costs.ravel(), A_eq=np.concatenate(sums), b_eq=masses).x.reshape(7, 4)
    assert align_transport(source, target) == pytest.approx(7 * plan @ target, abs=1e-6)


@pytest.mark.usefixtures("scikit_routing")
def test_transport_equals_skada():
    from skada import OTMappingAdapter

    source, _, target, _ = make_pair(moved=1.0)
    theirs = adapt_with_skada(OTMappingAdapter(), source, target)
    assert align_transport(source, target) == pytest.approx(theirs, abs=1e-6)


def test_entropic_transport_equals_a_slow_sinkhorn():
    source, _, target, _ = make_pair(9, 7, 3, moved=1.0)
    costs = ((source[:, None] - target) ** 2).sum(axis=2)
    kernel = np.exp(-costs / np.median(costs) / 0.2)
    rows, columns = np.ones(9), np.ones(7)
    for _ in range(5000):
        rows = 1 / 9 / (kernel @ columns)
        columns = 1 / 7 / (kernel.T @ rows)
    plan = rows[:, None] * kernel * columns
    aligned = align_transport(source, target, entropy=0.2)
    assert aligned == pytest.approx(plan @ target / plan.sum(axis=1, keepdims=True), abs=1e-6)


def test_without_pot_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    source, _, target, _ = make_pair()
    with pytest.raises(ModuleNotFoundError, match=r"needs ot, .*pip install POT"):
        align_transport(source, target)


def fit_and_test(align, **shift):
    source, labels, target, target_labels = make_blobs(**shift)
    aligned = align(source, target)
    weight, bias = solve_logistic(aligned / aligned.std(), labels, l2_penalty=0.01)
    return np.mean((target / aligned.std() @ weight.T + bias).argmax(axis=1) == target_labels)


def leave_alone(source, target):
    return source


@pytest.mark.parametrize(
    ("shift", "solve"),
    [
        ({"shift": (8.0, 0.0)}, set(ALIGNMENTS)),
        ({"matrix": [[10.0, 0.0], [0.0, 1.0]], "shift": (8.0, 0.0)}, {align_scale, align_coral, align_transport}),
        # A quarter turn: both classes together look as they did, so that nothing can be seen of it.
        ({"matrix": [[0.0, 1.0], [-1.0, 0.0]]}, set()),
        # The pictures are the same and only the shares differ, so the alignment itself does harm.
        ({"shares": (0.1, 0.9)}, {leave_alone}),
    ],
)
def test_a_toy_shift_is_solved_by_those_that_can(shift, solve):
    alignments = [functools.partial(align_coral, shrinkage=1e-3) if a is align_coral else a for a in ALIGNMENTS]
    shares = {align: fit_and_test(align, **shift) for align in [leave_alone, *alignments]}
    assert {getattr(align, "func", align) for align, share in shares.items() if share > 0.98} == solve
    assert all(share < 0.9 for align, share in shares.items() if getattr(align, "func", align) not in solve)


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_equal_domains_stay_as_they_are(align):
    source, _, _, _ = make_pair()
    assert align(source, source) == pytest.approx(source, abs=1e-8)


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_arguments_are_left_as_they_were_and_checked(align):
    source, _, target, _ = make_pair(moved=1.0)
    before = source.copy(), target.copy()
    assert align(source, target).shape == source.shape
    assert (source == before[0]).all() and (target == before[1]).all()
    with pytest.raises(ValueError, match="target: 4 features per picture, expected 5"):
        align(source, target[:, :4])


@pytest.mark.parametrize(
    ("align", "settings", "message"),
    [
        (align_coral, {"shrinkage": 0}, "shrinkage: 0, expected a number above 0 and at most 1"),
        (align_coral, {"shrinkage": 1.5}, "shrinkage: 1.5, expected a number above 0 and at most 1"),
        (align_subspace, {"n_components": 0}, "n_components: 0, expected a whole number of at least 1"),
        (align_transport, {"entropy": -1}, "entropy: -1, expected a number of at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(align, settings, message):
    source, _, target, _ = make_pair()
    with pytest.raises(ValueError, match=message):
        align(source, target, **settings)


def test_a_target_without_any_spread_takes_the_source_to_its_mean():
    source, _, target, _ = make_pair()
    for align in (align_mean, align_scale):
        assert align(source, np.ones_like(target)).mean(axis=0) == pytest.approx(np.ones(5))
    assert np.isfinite(align_coral(source, np.ones_like(target))).all()
