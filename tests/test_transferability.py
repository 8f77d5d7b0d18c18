"""Scores of transferability: each against a slow one of its own, written from its paper with loops."""

import math
import re
import time

import numpy as np
import pytest

from tlkit.images.splits import assign_folds
from tlkit.selection.evidence_scores import score_h, score_logme
from tlkit.selection.score_warnings import SelectionWarning
from tlkit.selection.source import score_leep, score_nce
from tlkit.selection.transferability import score_knn, score_linear_probe

FROM_FEATURES = [score_logme, score_h, score_knn, score_linear_probe]


def make_features(n=60, d=8, n_classes=3, apart=1.0, seed=0):
    """Return (n, d) features whose classes lie `apart` standard deviations from each other, and labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return random.normal(size=(n, d)) + apart * random.normal(size=(n_classes, d))[labels] + 0.5, labels


def make_probabilities(n=50, n_source_classes=7, seed=0):
    values = np.random.default_rng(seed).exponential(size=(n, n_source_classes))
    return values / values.sum(axis=1, keepdims=True)


def slow_logme(values, labels, n_steps=3000):
    n, d = values.shape
    evidences = []
    for label in sorted(set(labels.tolist())):
        target = np.array([1.0 if other == label else 0.0 for other in labels])
        alpha = beta = 1.0
        eigenvalues = np.clip(np.linalg.eigvalsh(values.T @ values), 0, None)
        for _ in range(n_steps):
            precision = alpha * np.eye(d) + beta * values.T @ values
            mean = beta * np.linalg.solve(precision, values.T @ target)
            gamma = sum(beta * value / (alpha + beta * value) for value in eigenvalues)
            before = alpha, beta
            alpha = gamma / (mean @ mean)
            beta = (n - gamma) / ((target - values @ mean) @ (target - values @ mean))
            if abs(alpha / before[0] - 1) + abs(beta / before[1] - 1) < 1e-14:
                break
        precision = alpha * np.eye(d) + beta * values.T @ values
        mean = beta * np.linalg.solve(precision, values.T @ target)
        rest = target - values @ mean
        evidence = n / 2 * math.log(beta) + d / 2 * math.log(alpha) - n / 2 * math.log(2 * math.pi)
        evidence -= beta / 2 * rest @ rest + alpha / 2 * mean @ mean + np.linalg.slogdet(precision)[1] / 2
        evidences.append(evidence / n)
    return sum(evidences) / len(evidences)


def slow_h(values, labels):
    n, d = values.shape
    centred = values - sum(values) / n
    sample = sum(np.outer(row, row) for row in centred) / n
    size = sum(sample[i, i] for i in range(d)) / d
    spread = ((sample - size * np.eye(d)) ** 2).sum()
    error = sum(((np.outer(row, row) - sample) ** 2).sum() for row in centred) / n**2
    shrinkage = min(error, spread) / spread
    shrunk = (1 - shrinkage) * sample + shrinkage * size * np.eye(d)
    conditional = np.array([centred[labels == label].mean(axis=0) for label in labels])
    between = sum(np.outer(row, row) for row in conditional) / n
    return np.trace(np.linalg.inv(shrunk) @ ((1 - shrinkage) * between))


def slow_knn(values, labels, groups, n_neighbors):
    n_right = 0
    for i, row in enumerate(values):
        others = []
        for j, other in enumerate(values):
            if groups[i] != groups[j]:
                cosine = row @ other / math.sqrt(row @ row) / math.sqrt(other @ other)
                others.append((-cosine, labels[j]))
        nearest = [label for _, label in sorted(others, key=lambda pair: pair[0])[:n_neighbors]]
        counts = {label: nearest.count(label) for label in nearest}
        most = max(counts.values())
        winner = next(label for label in nearest if counts[label] == most)
        n_right += winner == labels[i]
    return n_right / len(values)


def slow_ridge(x, targets, alpha):
    """Return a function that predicts the (n_classes,) targets of a row, with an intercept that isn't shrunk."""
    centre = x.mean(axis=0)
    weights = np.linalg.inv((x - centre).T @ (x - centre) + alpha * np.eye(x.shape[1])) @ (x - centre).T @ targets
    return lambda row: (row - centre) @ weights + targets.mean(axis=0)


def slow_linear_probe(values, labels, groups, n_folds, seed):
    folds = assign_folds(labels, groups, n_folds, seed)
    n_right = 0
    for fold in range(n_folds):
        scale = values[folds != fold].std()
        x, answers = values[folds != fold] / scale, labels[folds != fold]
        targets = np.array([[1.0 if other == answer else -1.0 for other in sorted(set(labels))] for answer in answers])
        errors = {}
        for alpha in 10 ** np.arange(-1, 6.1, 0.5):
            errors[alpha] = 0.0
            for i in range(len(x)):
                others = np.arange(len(x)) != i
                errors[alpha] += ((slow_ridge(x[others], targets[others], alpha)(x[i]) - targets[i]) ** 2).sum()
        predict = slow_ridge(x, targets, min(errors, key=errors.get))
        for row, label in zip(values[folds == fold] / scale, labels[folds == fold], strict=True):
            n_right += predict(row).argmax() == label
    return n_right / len(values)


def slow_leep(probabilities, labels):
    n, n_source = probabilities.shape
    classes = sorted(set(labels.tolist()))
    joint = {(y, z): 0.0 for y in classes for z in range(n_source)}
    for row, y in zip(probabilities, labels.tolist(), strict=True):
        for z in range(n_source):
            joint[y, z] += row[z] / n
    total = 0.0
    for row, y in zip(probabilities, labels.tolist(), strict=True):
        likelihood = 0.0
        for z in range(n_source):
            likelihood += joint[y, z] / sum(joint[other, z] for other in classes) * row[z]
        total += math.log(likelihood)
    return total / n


def slow_nce(source_labels, labels):
    pairs = list(zip(source_labels.tolist(), labels.tolist(), strict=True))
    total = 0.0
    for z, y in set(pairs):
        joint = pairs.count((z, y)) / len(pairs)
        marginal = sum(other == z for other, _ in pairs) / len(pairs)
        total += joint * math.log(joint / marginal)
    return total


@pytest.mark.parametrize("apart", [0.0, 0.5, 3.0])
def test_logme_equals_the_papers_formula(apart):
    values, labels = make_features(apart=apart)
    assert score_logme(values, labels) == pytest.approx(slow_logme(values, labels), abs=1e-6)


def test_logme_with_fewer_pictures_than_features_equals_the_papers_formula():
    values, labels = make_features(n=30, d=50, apart=0.3)
    with pytest.warns(SelectionWarning, match="30 pictures and 50 features"):
        score = score_logme(values, labels)
    assert score == pytest.approx(slow_logme(values, labels), abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (25, 24)])
def test_h_score_equals_the_papers_formula(n, d):
    values, labels = make_features(n, d)
    assert score_h(values, labels) == pytest.approx(slow_h(values, labels), abs=1e-6)


@pytest.mark.parametrize("n_neighbors", [1, 4, 5])
def test_knn_equals_a_slow_loop(n_neighbors, monkeypatch):
    values, labels = make_features(apart=0.5)
    groups = np.arange(len(labels)) // 4
    monkeypatch.setattr("tlkit.selection.transferability._BLOCK_ROWS", 7)  # which doesn't divide the number of pictures
    score = score_knn(values, labels, n_neighbors=n_neighbors)
    assert score == pytest.approx(slow_knn(values, labels, np.arange(len(labels)), n_neighbors), abs=1e-6)
    score = score_knn(values, labels, groups, n_neighbors=n_neighbors)
    assert score == pytest.approx(slow_knn(values, labels, groups, n_neighbors), abs=1e-6)


def test_linear_probe_equals_a_slow_loop():
    values, labels = make_features(apart=0.6)
    score = score_linear_probe(values, labels, seed=3)
    assert score == pytest.approx(slow_linear_probe(values, labels, None, 5, 3), abs=1e-6)
    groups = np.arange(len(labels)) // 4
    score = score_linear_probe(values, labels, groups, n_folds=3)
    assert score == pytest.approx(slow_linear_probe(values, labels, groups, 3, 0), abs=1e-6)


def test_leep_equals_the_papers_formula():
    probabilities, labels = make_probabilities(), np.arange(50) % 3
    assert score_leep(probabilities, labels) == pytest.approx(slow_leep(probabilities, labels), abs=1e-6)


def test_leep_passes_over_source_classes_that_no_picture_resembles():
    probabilities, labels = make_probabilities(), np.arange(50) % 3
    padded = np.column_stack([probabilities, np.zeros(50)])
    assert score_leep(padded, labels) == pytest.approx(score_leep(probabilities, labels), abs=1e-12)


def test_nce_equals_the_papers_formula():
    random = np.random.default_rng(0)
    source, labels = random.integers(100, 105, 80), random.integers(0, 3, 80)
    assert score_nce(source, labels) == pytest.approx(slow_nce(source, labels), abs=1e-6)


def test_leep_of_certain_predictions_is_nce():
    source, labels = np.arange(60) % 4, np.arange(60) // 3 % 3
    assert score_leep(np.eye(4)[source], labels) == pytest.approx(score_nce(source, labels), abs=1e-12)


@pytest.mark.parametrize("score", FROM_FEATURES)
@pytest.mark.parametrize("seed", range(3))
def test_the_right_one_of_two_planted_feature_sets_ranks_first(score, seed):
    good, labels = make_features(n=120, apart=1.5, seed=seed)
    poor, _ = make_features(n=120, apart=0.1, seed=seed)
    assert score(good, labels) > score(poor, labels)


@pytest.mark.parametrize("score", FROM_FEATURES)
def test_scores_depend_neither_on_order_nor_unit_nor_names(score):
    values, labels = make_features(apart=1.5)
    expected = score(values, labels)
    order = np.random.default_rng(1).permutation(len(labels))
    assert score(values[:, ::-1], labels) == pytest.approx(expected, abs=1e-6)
    assert score(values * 1000, labels) == pytest.approx(expected, abs=1e-6)
    assert score(values, np.array(["a", "b", "c"])[labels]) == expected
    assert score(values, labels * 5 - 3) == expected
    if score is not score_linear_probe:  # whose folds are drawn by place
        assert score(values[order], labels[order]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", [score_logme, score_h])
def test_turned_features_score_the_same(score):
    values, labels = make_features()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    assert score(values @ turn, labels) == pytest.approx(score(values, labels), abs=1e-9)


@pytest.mark.parametrize("score", FROM_FEATURES)
def test_arguments_are_left_as_they_were(score):
    values, labels = make_features()
    before = values.copy(), labels.copy()
    score(values, labels)
    assert (values == before[0]).all() and (labels == before[1]).all()


def test_features_that_hold_the_classes_exactly_have_a_finite_logme():
    labels = np.arange(30) % 3
    assert np.isfinite(score_logme(np.eye(3)[labels], labels))


def test_pictures_of_one_group_give_nothing_away():
    # Each picture twice: its copy answers for it, unless both are of one group.
    values, labels = make_features(n=30, apart=0.0)
    values, labels, groups = np.tile(values, (2, 1)), np.tile(labels, 2), np.tile(np.arange(30), 2)
    assert score_knn(values, labels, n_neighbors=1) == 1
    assert score_knn(values, labels, groups, n_neighbors=1) < 0.7


@pytest.mark.parametrize("score", FROM_FEATURES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda v, y: (y, v), TypeError, r"values: shape \(60,\) .*expected \(n, d\).*swapped"),
        (lambda v, y: (v, y.astype(float)), TypeError, "labels: values of type float64.*astype"),
        (lambda v, y: (v, y[:-1]), ValueError, "labels: 59, expected 60"),
        (lambda v, y: (v, np.eye(3)[y]), TypeError, r"labels: shape \(60, 3\), expected \(n,\)"),
        (lambda v, y: (v, y * 0), ValueError, "labels: 60 pictures of 1 class"),
        (lambda v, y: (np.where(v > 2, np.nan, v), y), ValueError, "values: some values are NaN"),
        (lambda v, y: (v * 0 + 1, y), ValueError, "values: every feature is the same"),
        (lambda v, y: (v.astype(str), y), TypeError, "values: .* of type <U.*expected .* numbers"),
    ],
)
def test_what_cannot_be_scored_is_refused(score, change, error, message):
    with pytest.raises(error, match=message):
        score(*change(*make_features()))


@pytest.mark.parametrize("score", FROM_FEATURES)
def test_constant_features_are_warned_of(score):
    values, labels = make_features()
    values[:, :2] = 1
    with pytest.warns(SelectionWarning, match="2 of 8 features are the same on all pictures"):
        score(values, labels)


@pytest.mark.parametrize("score", [score_knn, score_linear_probe])
def test_a_class_of_one_picture_is_warned_of(score):
    values, labels = make_features()
    labels = np.append(labels[:-1], 3)
    with pytest.warns(SelectionWarning, match="1 classes have one picture"):
        score(values, labels)


def test_one_picture_a_class_cannot_be_probed():
    values, _ = make_features(n=6)
    with pytest.warns(SelectionWarning), pytest.raises(ValueError, match="labels: one picture per class, expected two"):
        score_linear_probe(values, np.arange(6))


def test_warnings_point_at_the_caller():
    values, labels = make_features(n=30, d=50)
    with pytest.warns(SelectionWarning) as caught:
        score_logme(values, labels)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("groups", [np.arange(59), np.zeros((60, 2))])
def test_groups_of_another_shape_are_refused(groups):
    values, labels = make_features()
    for score in (score_knn, score_linear_probe):
        with pytest.raises(ValueError, match=re.escape(f"groups: shape {groups.shape}, expected (60,)")):
            score(values, labels, groups)


def test_one_group_is_refused():
    values, labels = make_features()
    with pytest.raises(ValueError, match="groups: all pictures are of one group"):
        score_knn(values, labels, np.zeros(60, int))
    with pytest.raises(ValueError, match="groups: all pictures are of one group"):
        score_linear_probe(values, labels, np.zeros(60, int))


@pytest.mark.parametrize(("n_neighbors", "error"), [(0, ValueError), (2.0, TypeError), (True, ValueError)])
def test_numbers_of_neighbours_that_are_none_are_refused(n_neighbors, error):
    with pytest.raises(error, match=r"n_neighbors: .*at least 1"):
        score_knn(*make_features(), n_neighbors=n_neighbors)


def test_what_are_no_probabilities_is_refused():
    probabilities, labels = make_probabilities(), np.arange(50) % 3
    with pytest.raises(TypeError, match=r"probabilities: shape \(50,\) of type int64.*swapped"):
        score_leep(labels, probabilities)
    for wrong in (probabilities * 2, probabilities - 0.1, np.log(probabilities)):
        with pytest.raises(ValueError, match=r"probabilities: some rows are no probabilities.*softmax"):
            score_leep(wrong, labels)
    with pytest.raises(ValueError, match="labels: 40, expected 50"):
        score_leep(probabilities, labels[:40])


def test_source_labels_that_are_none_are_refused():
    with pytest.raises(ValueError, match="labels: 40, expected 50"):
        score_nce(np.arange(50), np.arange(40))
    with pytest.raises(TypeError, match="source_labels: shape"):
        score_nce(make_probabilities(), np.arange(50))
    with pytest.raises(TypeError, match="source_labels: values of type float64"):
        score_nce(np.arange(50.0), np.arange(50))


@pytest.mark.slow
@pytest.mark.parametrize("score", FROM_FEATURES)
def test_ten_thousand_pictures_take_seconds(score):
    values, labels = make_features(10_000, 2_048, 10, apart=0.1)
    start = time.process_time()  # other processes on the machine don't count
    score(values.astype(np.float32), labels)
    assert time.process_time() - start < 60
