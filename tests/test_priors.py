"""Estimated and corrected shares of classes, against slow versions from their papers and planted shifts."""

import numpy as np
import pytest

from tlkit.adaptation.priors import correct_priors, estimate_priors
from tlkit.adaptation.validators import detect_collapse


def make_predictions(shares, n, seed, sharpness=1.5):
    """Return (probabilities, labels) of an exact head: Gaussian classes on a line of which the shares are even."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(shares)), np.round(np.asarray(shares) * n).astype(int))
    n = len(labels)
    values = labels * sharpness + random.normal(size=n)
    likelihoods = np.exp(-((values[:, None] - sharpness * np.arange(len(shares))) ** 2) / 2)
    return likelihoods / likelihoods.sum(axis=1, keepdims=True), labels


def slow_em(probabilities, source_priors, n_steps=1000):
    priors = list(source_priors)
    for _ in range(n_steps):
        sums = [0.0] * len(priors)
        for row in probabilities:
            terms = [p * new / old for p, new, old in zip(row, priors, source_priors, strict=True)]
            for k, term in enumerate(terms):
                sums[k] += term / sum(terms)
        priors = [value / len(probabilities) for value in sums]
    return priors


SHARES = np.array([0.7, 0.2, 0.1])


@pytest.mark.parametrize("method", ["em", "confusion"])
def test_planted_shares_are_found(method):
    source, labels = make_predictions(np.ones(3) / 3, 21000, 0)
    target, _ = make_predictions(SHARES, 20000, 1)
    estimated = estimate_priors(source, labels, target, method)
    assert estimated == pytest.approx(SHARES, abs=0.02)
    assert estimated.sum() == pytest.approx(1)
    counted = np.bincount(target.argmax(axis=1)) / len(target)
    assert np.abs(estimated - SHARES).sum() < 0.3 * np.abs(counted - SHARES).sum()


def test_em_equals_a_slow_loop():
    source, labels = make_predictions(np.ones(3) / 3, 60, 0)
    target, _ = make_predictions(SHARES, 40, 1, sharpness=3)
    expected = slow_em(target, np.bincount(labels) / 60)
    assert estimate_priors(source, labels, target) == pytest.approx(expected, abs=1e-5)


def test_confusion_solves_the_papers_equation():
    source, labels = make_predictions([0.5, 0.3, 0.2], 300, 0)
    target, _ = make_predictions(SHARES, 200, 1)
    confusion = np.array([[np.mean((source.argmax(axis=1) == i) & (labels == j)) for j in range(3)] for i in range(3)])
    predicted = np.array([np.mean(target.argmax(axis=1) == i) for i in range(3)])
    expected = np.linalg.inv(confusion) @ predicted * confusion.sum(axis=0)
    assert (expected > 0).all()
    assert estimate_priors(source, labels, target, "confusion") == pytest.approx(expected / expected.sum())


def test_confusion_gives_no_share_below_0():
    source, labels = make_predictions(np.ones(3) / 3, 300, 0)
    target = np.eye(3)[np.zeros(50, int)]
    estimated = estimate_priors(source, labels, target, "confusion")
    assert (estimated >= 0).all() and estimated.sum() == pytest.approx(1)


def test_corrected_probabilities_are_those_of_a_head_that_knew_the_shares():
    target, labels = make_predictions(SHARES, 5000, 1)
    corrected = correct_priors(target, np.ones(3) / 3, SHARES)
    expected = target * SHARES
    assert corrected == pytest.approx(expected / expected.sum(axis=1, keepdims=True))
    assert np.mean(corrected.argmax(axis=1) == labels) > np.mean(target.argmax(axis=1) == labels) + 0.02
    # Calibrated: of pictures that are said to be of a class with some probability, that share is.
    for k in range(3):
        assert corrected[:, k].mean() == pytest.approx(np.mean(labels == k), abs=0.02)


def test_equal_shares_correct_nothing():
    target, _ = make_predictions(SHARES, 50, 1)
    assert correct_priors(target, SHARES, SHARES) == pytest.approx(target)


def test_a_class_that_the_source_does_not_have():
    probabilities = np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0]])
    estimated = estimate_priors(probabilities, np.array([0, 1]), probabilities)
    assert estimated[2] == 0
    corrected = correct_priors(probabilities, [0.5, 0.5, 0.0], [0.5, 0.5, 0.0])
    assert corrected == pytest.approx(probabilities)
    assert correct_priors(np.array([[1.0, 0.0]]), [0.5, 0.5], [0.0, 1.0]) == pytest.approx(np.array([[1.0, 0.0]]))


def test_what_can_not_be_estimated_is_refused():
    source, labels = make_predictions(np.ones(3) / 3, 21, 0)
    with pytest.raises(ValueError, match=r"method: 'emm' is unknown; nearest: 'em'"):
        estimate_priors(source, labels, source, "emm")
    with pytest.raises(ValueError, match="target_probabilities: of 2 classes, expected 3"):
        estimate_priors(source, labels, np.full((4, 2), 0.5))
    with pytest.raises(ValueError, match="source_labels: 3, expected class indices from 0 to 2"):
        estimate_priors(source, labels + 1, source)
    with pytest.raises(TypeError, match=r"source_labels: shape \(20,\) .* expected \(21,\)"):
        estimate_priors(source, labels[:-1], source)
    with pytest.raises(ValueError, match="some rows are no probabilities"):
        estimate_priors(source * 2, labels, source)


def test_shares_and_probabilities_that_are_none_are_refused():
    for shares in ([0.5, np.nan], [1.5, -0.5], [30, 70]):
        with pytest.raises(
            ValueError, match=r"source_priors: \[.*\], expected shares of at least 0 with sum 1: divide"
        ):
            correct_priors([[0.5, 0.5]], shares, [0.9, 0.1])
        with pytest.raises(ValueError, match=r"target_priors: .*, expected shares"):
            correct_priors([[0.5, 0.5]], [0.9, 0.1], shares)
        with pytest.raises(ValueError, match=r"source_priors: .*, expected shares"):
            detect_collapse([[0.5, 0.5]], shares)
    with pytest.raises(ValueError, match=r"target_priors: shape \(1,\), expected \(2,\)"):
        correct_priors([[0.5, 0.5]], [0.9, 0.1], [1.0])
    for given in ([[np.nan, 0.5]], [[2.0, -1.0]], [[60.0, 40.0]]):
        with pytest.raises(ValueError, match="probabilities: some"):
            correct_priors(given, [0.5, 0.5], [0.9, 0.1])
