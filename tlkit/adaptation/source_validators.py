"""Validators that use labels of held-out source pictures. Higher is better. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_predictions


def score_source_accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Measure balanced accuracy on held-out source pictures, which a sound method doesn't lose.

    Parameters
    ----------
    probabilities : (n, n_classes) array_like
        Predictions for held-out source pictures.
    labels : (n,) int array_like
        Their labels.

    Returns
    -------
    float
        Balanced accuracy, 0 to 1.

    Examples
    --------
    >>> score_source_accuracy(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), [0, 0, 1])
    0.5
    """
    probabilities, labels = check_predictions(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def score_importance_weighted(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """Measure accuracy on held-out source pictures, weighted by their resemblance to the target.

    Parameters
    ----------
    probabilities : (n, n_classes) array_like
        Predictions for held-out source pictures.
    labels : (n,) int array_like
        Their labels.
    weights : (n,) array_like
        Their importance weights, as `weigh_source` returns them.

    Returns
    -------
    float
        Weighted accuracy, 0 to 1.

    References
    ----------
    Sugiyama, Krauledat and Müller, 2007. Covariate shift adaptation by importance weighted cross validation.

    Examples
    --------
    >>> score_importance_weighted(np.array([[0.9, 0.1], [0.6, 0.4]]), [0, 1], [0.5, 1.5])
    0.25
    """
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    return float(np.average(probabilities.argmax(axis=1) == labels, weights=weights))


def score_deep_embedded(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """Measure minus the weighted cross-entropy on held-out source pictures, with reduced variance.

    Parameters
    ----------
    probabilities : (n, n_classes) array_like
        Predictions for held-out source pictures.
    labels : (n,) int array_like
        Their labels.
    weights : (n,) array_like
        Importance weights of these pictures as part of a larger set, as `weigh_source` returns them. If their own mean
        is exactly 1, there is nothing to correct.

    Returns
    -------
    float
        Minus the loss in nats; 0 is best if the weights are equal.

    Notes
    -----
    The true mean of the weights is 1. Their observed mean is therefore a control variate for the weighted loss.

    References
    ----------
    You, Wang, Long and Jordan, 2019. Towards accurate model selection in deep unsupervised domain adaptation.

    Examples
    --------
    >>> round(score_deep_embedded(np.tile([0.5, 0.5], (4, 1)), [0, 1, 0, 1], np.ones(4)), 3)
    -0.693
    """
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    of_label = np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1 - 1e-15)
    weighted = -weights * np.log(of_label)
    if len(labels) < 2 or np.ptp(weights) == 0:
        return -float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / np.var(weights, ddof=1)
    return -float(weighted.mean() + eta * weights.mean() - eta)


def _check_weights(weights, n_rows):
    """Return (n_rows,) weights as floats; ValueError if one is negative or all are 0."""
    weights = np.asarray(weights, float)
    if weights.shape != (n_rows,) or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"weights: expected ({n_rows},) numbers of at least 0, not all 0, one per picture")
    return weights
