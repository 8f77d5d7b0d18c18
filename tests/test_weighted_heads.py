"""Class weights, label smoothing and many classes in solved heads, against scikit-learn and slow versions."""

import dataclasses

import numpy as np
import pytest
from made_features import make_features, softmax
from sklearn.linear_model import LogisticRegression

import tlkit as tl
from tlkit.heads import logistic
from tlkit.heads.logistic import solve_logistic, solve_soft_targets

WEIGHTED_KINDS = ("logistic", "ridge")


def make_unbalanced(n_classes=3, n_first=10):
    """Return features with 10, 5, 5, … pictures per class, or another number of the first class."""
    features = make_features(n_classes=n_classes)
    labels = features.labels
    rows = [np.flatnonzero(labels == label)[: n_first if label == 0 else 5] for label in range(n_classes)]
    return features[np.concatenate(rows)]


def weigh_slowly(labels):
    counts = {label: int((labels == label).sum()) for label in set(labels.tolist())}
    return np.array([len(labels) / (len(counts) * counts[label]) for label in labels.tolist()])


def repeat_rows(features, n_copies):
    """Return features with so many copies of each picture, (n,) int."""
    return features[np.repeat(np.arange(len(features)), n_copies)]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_of_logistic_regression_are_copies_of_pictures(n_classes):
    features = make_unbalanced(n_classes)
    head = tl.fit_head(features, balance="weights")
    scaled = features.values / np.float32(features.values.std())
    estimator = LogisticRegression(C=1 / 10.0, tol=1e-8, max_iter=5000)
    estimator.fit(scaled.astype(float), features.labels, weigh_slowly(features.labels))
    assert np.abs(head.predict(features.values) - estimator.predict_proba(scaled)).max() < 1e-3
    copies = np.where(features.labels == 0, 1, np.sum(features.labels == 0) // 5)
    repeated = repeat_rows(features, copies)
    weight, bias = solve_logistic(scaled, features.labels, l2_penalty=10.0, weights=copies)
    again = solve_logistic(np.repeat(scaled, copies, axis=0), repeated.labels, l2_penalty=10.0)
    assert np.abs(weight - again[0]).max() < 1e-4 and np.abs(bias - again[1]).max() < 1e-3


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("balance", "label_smoothing"), [("weights", 0.0), (None, 0.3), ("weights", 0.3)])
def test_ridge_is_the_closed_form_with_weights_and_soft_targets(n_classes, balance, label_smoothing):
    features = make_unbalanced(n_classes)
    head = tl.fit_head(features, "ridge", l2_penalty=0.5, balance=balance, label_smoothing=label_smoothing)
    scale = features.values.std()
    values = features.values.astype(float) / scale
    weights = weigh_slowly(features.labels) if balance else np.ones(len(values))
    targets = np.full((len(values), n_classes), label_smoothing / n_classes)
    targets[np.arange(len(values)), features.labels] += 1 - label_smoothing
    targets = 2 * targets - 1
    centred = values - np.average(values, axis=0, weights=weights)
    middle = np.average(targets, axis=0, weights=weights)
    products = (centred.T * weights) @ centred + 0.5 * len(values) * np.eye(values.shape[1])
    solved = np.linalg.solve(products, (centred.T * weights) @ (targets - middle))
    weight, bias = head.linear()
    assert np.abs(weight.T * scale - solved).max() < 1e-5
    assert np.abs(features.values @ weight.T + bias - (centred @ solved + middle)).max() < 1e-4


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("balance", [None, "weights"])
def test_smoothed_labels_are_rows_of_all_classes_with_their_shares(n_classes, balance):
    features, smoothing = make_unbalanced(n_classes), 0.3
    head = tl.fit_head(features, balance=balance, label_smoothing=smoothing)
    n = len(features)
    scaled = (features.values / np.float32(features.values.std())).astype(float)
    shares = np.full((n, n_classes), smoothing / n_classes)
    shares[np.arange(n), features.labels] += 1 - smoothing
    shares *= weigh_slowly(features.labels)[:, None] if balance else 1.0
    estimator = LogisticRegression(C=1 / 10.0, tol=1e-8, max_iter=5000)
    classes = np.tile(np.arange(n_classes), n)
    estimator.fit(np.repeat(scaled, n_classes, axis=0), classes, shares.ravel())
    assert np.abs(head.predict(features.values) - estimator.predict_proba(scaled)).max() < 1e-4


@pytest.mark.parametrize(("n_classes", "per_class", "d"), [(101, 2, 300), (101, 3, 40), (3, 8, 5)])
def test_many_classes_have_the_same_optimum(n_classes, per_class, d):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(n_classes), per_class)
    values = random.normal(size=(n_classes, d))[labels] + random.normal(size=(len(labels), d))
    values = np.maximum(values, 0) * np.arange(1, d + 1) ** -0.5
    values /= values.std()
    centred = values - values.mean(axis=0)
    weight, bias = solve_soft_targets(centred, np.eye(n_classes)[labels], 10.0, 1e-6)
    estimator = LogisticRegression(C=1 / 10.0, tol=1e-7, max_iter=5000).fit(centred, labels)
    found, expected = softmax(centred @ weight.T + bias), estimator.predict_proba(centred)
    assert np.abs(found - expected).max() < 1e-3

    def measure(probabilities, weight):
        return -np.log(probabilities[np.arange(len(labels)), labels]).sum() + 5 * np.sum(weight**2)

    assert measure(found, weight) == pytest.approx(measure(expected, estimator.coef_), rel=1e-5)


def test_the_number_of_classes_chooses_the_solver(monkeypatch):
    monkeypatch.setattr(logistic, "MOST_CLASSES", 2)
    features = make_features()
    head = tl.fit_head(features)
    monkeypatch.undo()
    usual = tl.fit_head(features)
    assert not np.array_equal(head.weight, usual.weight)
    assert np.abs(head.predict(features.values) - usual.predict(features.values)).max() < 1e-4
    chosen = tl.fit_head(features, l2_penalty="cross-validated")
    monkeypatch.setattr(logistic, "MOST_CLASSES", 2)
    again = tl.fit_head(features, l2_penalty="cross-validated").settings
    assert again["l2_penalty"] == chosen.settings["l2_penalty"]
    assert list(again["tried"].values()) == pytest.approx(list(chosen.settings["tried"].values()), abs=1e-3)


@pytest.mark.parametrize("kind", WEIGHTED_KINDS)
def test_defaults_change_no_bit_and_settings_are_told(kind):
    features = make_unbalanced()
    plain = tl.fit_head(features, kind)
    same = tl.fit_head(features, kind, balance=None, label_smoothing=0.0)
    assert np.array_equal(plain.weight, same.weight) and plain.settings == same.settings
    head = tl.fit_head(features, kind, balance="weights", label_smoothing=0.1)
    assert head.settings == plain.settings | {"balance": "weights", "label_smoothing": 0.1}
    assert repr(head).endswith("balance='weights', label_smoothing=0.1)")


@pytest.mark.parametrize("kind", WEIGHTED_KINDS)
def test_weights_of_balanced_classes_change_no_prediction(kind):
    features = make_unbalanced(n_first=5)
    head, weighted = tl.fit_head(features, kind), tl.fit_head(features, kind, balance="weights")
    assert np.abs(head.predict(features.values) - weighted.predict(features.values)).max() < 1e-4


def test_a_class_without_pictures_gets_no_share_of_smoothed_labels():
    features = make_features()
    features = dataclasses.replace(features, classes=[*features.classes, "ghost"])
    for kind in WEIGHTED_KINDS:
        head = tl.fit_head(features, kind, balance="weights", label_smoothing=0.3)
        assert (head.predict(features.values)[:, 3] == 0).all()


@pytest.mark.parametrize(
    ("kind", "settings", "error", "message"),
    [
        ("knn", {"balance": "weights"}, TypeError, "balance: no setting of a 'knn' head"),
        ("prototype", {"balance": "weights"}, TypeError, "balance: no setting of a 'prototype' head"),
        ("mlp", {"label_smoothing": 0.1}, TypeError, "label_smoothing: no setting of a 'mlp' head"),
        ("logistic", {"balance": "sampling"}, ValueError, "balance: 'sampling' is unknown"),
        ("ridge", {"balance": True}, TypeError, "balance: True is a bool"),
        ("ridge", {"label_smoothing": 1.0}, ValueError, "label_smoothing: 1.0, expected a number from 0 to below 1"),
        ("ridge", {"balance": "weights", "l2_penalty": "leave-one-out"}, ValueError, "balance: 'weights', but l2_pen"),
        ("logistic", {"label_smoothing": 0.1, "l2_penalty": "cross-validated"}, ValueError, "label_smoothing: 0.1, b"),
    ],
)
def test_settings_without_a_meaning_are_refused(kind, settings, error, message):
    with pytest.raises(error, match=message):
        tl.fit_head(make_features(), kind, **settings)
