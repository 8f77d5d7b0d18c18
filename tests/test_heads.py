"""Heads: equal to slow solutions of the same problem written on their own."""

import dataclasses
import warnings

import numpy as np
import pytest
from made_rows import DIGESTS

import tlkit as tl
from tlkit.features.features import Features
from tlkit.heads import KINDS

N_FEATURES = 4


def make_features(n_classes=3, n_pictures=40, absent=(), seed=0, scale=3.0):
    """Return overlapping clusters of features, in a unit of their own."""
    random = np.random.default_rng(seed)
    present = np.setdiff1d(np.arange(n_classes), absent)
    labels = random.choice(present, n_pictures)
    labels[: len(present)] = present
    centres = random.normal(size=(n_classes, N_FEATURES))
    values = scale * (centres[labels] + random.normal(size=(n_pictures, N_FEATURES)) + 0.5)
    names = np.array([f"{number}.png" for number in range(n_pictures)])
    classes = [f"class{label}" for label in range(n_classes)]
    return Features(values.astype(np.float32), labels, classes, names, names, {"backbone": "made", "engine": "none"})


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def solve_logistic_slowly(values, labels, classes, strength):
    """Minimise the summed cross-entropy plus strength / 2 × squared weights by plain gradient descent."""
    inputs = np.column_stack([values, np.ones(len(values))])
    targets = (labels[:, None] == classes).astype(float)
    weights = np.zeros((inputs.shape[1], len(classes)))
    penalised = np.ones_like(weights)
    penalised[-1] = 0  # the intercept is free
    # The steepest curvature bounds the step that still goes downhill.
    step = 1 / (np.linalg.norm(inputs, 2) ** 2 / 2 + strength)
    for _ in range(200_000):
        slope = inputs.T @ (softmax(inputs @ weights) - targets) + strength * penalised * weights
        weights -= step * slope
        if np.abs(slope).max() < 1e-9:
            break
    return weights


@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_logistic_is_the_optimum_of_the_stated_objective(strength):
    features = make_features()
    scaled = features.values / features.values.std()
    weights = solve_logistic_slowly(scaled, features.labels, np.arange(3), strength)
    expected = softmax(np.column_stack([scaled, np.ones(len(scaled))]) @ weights)
    probabilities = tl.fit_head(features, "logistic", strength=strength).predict(features.values)
    assert np.abs(probabilities - expected).max() < 1e-3


def test_two_classes_are_the_optimum_of_one_weight_vector():
    features = make_features(n_classes=2)
    scaled = features.values / features.values.std()
    signs = 2 * features.labels - 1
    inputs = np.column_stack([scaled, np.ones(len(scaled))])
    weights = np.zeros(N_FEATURES + 1)
    penalty = 10.0 * np.array([1, 1, 1, 1, 0])
    for _ in range(50):  # Newton's steps on the logistic loss of the signed margin
        share = 1 / (1 + np.exp(signs * (inputs @ weights)))
        slope = -inputs.T @ (signs * share) + penalty * weights
        curvature = inputs.T @ (inputs * (share * (1 - share))[:, None]) + np.diag(penalty)
        weights -= np.linalg.solve(curvature, slope)
    expected = 1 / (1 + np.exp(-inputs @ weights))
    probabilities = tl.fit_head(features, "logistic", strength=10.0).predict(features.values)
    assert np.abs(probabilities[:, 1] - expected).max() < 1e-3
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))


@pytest.mark.parametrize(("n_classes", "absent"), [(2, ()), (3, ()), (5, (0, 3)), (4, (1, 2))])
def test_the_linear_layer_of_a_logistic_head_gives_its_probabilities(n_classes, absent):
    features = make_features(n_classes, absent=absent)
    head = tl.fit_head(features, "logistic")
    weight, bias = head.linear()
    assert weight.shape == (n_classes, N_FEATURES)
    assert weight.dtype == bias.dtype == np.float32
    values = 5 * make_features(seed=9).values
    probabilities = softmax(values @ weight.T + bias)
    assert np.abs(probabilities - head.predict(values)).max() < 1e-5
    assert np.array_equal(probabilities.argmax(axis=1), head.predict(values).argmax(axis=1))
    assert not probabilities[:, list(absent)].max(initial=0) > 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_pictures_has_probability_zero(kind):
    features = make_features(n_classes=5, absent=(0, 3))
    probabilities = tl.fit_head(features, kind).predict(features.values)
    assert probabilities.shape == (40, 5)
    assert not probabilities[:, [0, 3]].any()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))
    assert probabilities.min() >= 0


@pytest.mark.parametrize("n_neighbors", [1, 5, 100])
def test_knn_is_the_vote_of_the_nearest_by_cosine(n_neighbors):
    features, asked = make_features(), make_features(seed=5).values
    probabilities = tl.fit_head(features, "knn", n_neighbors=n_neighbors).predict(asked)
    for row, value in zip(probabilities, asked, strict=True):
        distances = []
        for other, label in zip(features.values.astype(float), features.labels, strict=True):
            cosine = np.dot(value, other) / (np.linalg.norm(value) * np.linalg.norm(other))
            distances.append((1 - cosine, label))
        votes = np.zeros(3)
        for distance, label in sorted(distances)[:n_neighbors]:
            votes[label] += 1 / distance
        assert row == pytest.approx(votes / votes.sum(), abs=1e-3)


def test_knn_of_a_training_picture_is_its_own_class():
    features = make_features()
    assert tl.fit_head(features, "knn").score(features) == 1.0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_ridge_is_the_closed_form(n_classes):
    features, asked = make_features(n_classes), make_features(n_classes, seed=5).values
    scale = features.values.std()
    inputs = np.column_stack([features.values / scale, np.ones(40)])
    targets = np.where(features.labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    penalty = 0.3 * 40 * np.diag([1, 1, 1, 1, 0])
    weights = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets)
    expected = softmax(np.column_stack([asked / scale, np.ones(len(asked))]) @ weights)
    probabilities = tl.fit_head(features, "ridge", strength=0.3).predict(asked)
    assert np.abs(probabilities - expected).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_the_features_does_not_matter(kind):
    small, large = make_features(scale=1e-3), make_features(scale=1e3)
    probabilities = [tl.fit_head(features, kind).predict(features.values) for features in (small, large)]
    assert np.abs(probabilities[0] - probabilities[1]).max() < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_features_give_the_same_bits(kind):
    features = make_features()
    first, second = (tl.fit_head(features, kind).predict(features.values) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_asked_is_nothing_answered(kind):
    assert tl.fit_head(make_features(), kind).predict(np.empty((0, N_FEATURES))).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_do_not_differ_are_no_error(kind):
    features = make_features()
    same = dataclasses.replace(features, values=np.ones_like(features.values))
    assert np.isfinite(tl.fit_head(same, kind).predict(same.values)).all()


def test_logistic_is_solved_to_convergence_on_more_features_than_pictures():
    random = np.random.default_rng(0)
    labels = np.arange(70) % 14
    values = np.maximum(0, random.normal(size=(70, 1280))).astype(np.float32)
    names = np.array([f"{number}" for number in range(70)])
    features = Features(values, labels, DIGESTS[:14], names, names, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tl.fit_head(features, strength=0.01).score(features) == 1.0


def test_the_score_is_the_share_of_right_answers():
    features = make_features()
    head = tl.fit_head(features)
    n_right = 0
    for row, label in zip(head.predict(features.values), features.labels, strict=True):
        n_right += all(row[label] > value for other, value in enumerate(row) if other != label)
    assert head.score(features) == pytest.approx(n_right / 40)
    assert 0.5 < head.score(features) < 1


def replace_value(features, value):
    values = features.values.copy()
    values[3, 2] = value
    return dataclasses.replace(features, values=values)


@pytest.mark.parametrize(
    ("features", "options", "words"),
    [
        (make_features(), {"kind": "forest"}, r"kind: 'forest', expected one of logistic, knn, ridge"),
        (make_features(), {"strength": 0}, r"strength: 0, expected more than 0"),
        (make_features(), {"strength": float("nan")}, r"strength: nan, expected more than 0"),
        (make_features(), {"kind": "knn", "n_neighbors": 0}, r"n_neighbors: 0, expected 1 or more"),
        (make_features(3, absent=(0, 2)), {}, r"features: 40 pictures of 1 class, expected two classes or more"),
        (make_features()[:0], {}, r"features: 0 pictures of 0 class"),
        (replace_value(make_features(), np.nan), {}, r"features: some values are NaN or infinite; extract them again"),
        (replace_value(make_features(), np.inf), {}, r"features: some values are NaN or infinite"),
    ],
)
def test_what_no_head_can_be_fitted_on_is_answered(features, options, words):
    with pytest.raises(ValueError, match=words):
        tl.fit_head(features, **options)


@pytest.mark.parametrize("kind", ["knn", "ridge"])
def test_only_a_logistic_head_is_a_linear_layer_of_log_probabilities(kind):
    with pytest.raises(ValueError, match=rf"kind: a {kind} head is no linear layer .* fit a 'logistic' one"):
        tl.fit_head(make_features(), kind).linear()


def test_features_are_taken_by_slice_indices_and_mask():
    features = make_features()
    for index in (slice(3, 9), [3, 4, 5, 6, 7, 8], np.isin(np.arange(40), range(3, 9))):
        some = features[index]
        assert len(some) == 6
        assert np.array_equal(some.values, features.values[3:9])
        assert np.array_equal(some.labels, features.labels[3:9])
        assert some.names.tolist() == features.names[3:9].tolist() == some.groups.tolist()
    with pytest.raises(TypeError, match=r"index: 3, expected a slice, indices or a mask; \.values\[i\] is one row"):
        features[3]


def test_features_and_labels_of_different_length_are_refused():
    features = make_features()
    with pytest.raises(ValueError, match=r"values: shape \(40, 4\) with 39 labels, expected \(n_samples, n_features\)"):
        Features(features.values, features.labels[1:], features.classes, features.names, features.groups, {})
