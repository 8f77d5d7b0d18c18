"""Class priors: the class shares of an unlabelled target, and probabilities corrected by them. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_class_indices, check_known, check_probabilities, check_shape

METHODS = ("em", "confusion")
_N_STEPS = 1000
_TOLERANCE = 1e-9


def estimate_priors(
    source_probabilities: ArrayLike, source_labels: ArrayLike, target_probabilities: ArrayLike, method: str = "em"
) -> np.ndarray:
    """Estimate the class shares of the target from a head's predictions.

    Parameters
    ----------
    source_probabilities, source_labels : (n, n_classes) array_like and (n,) int array_like
        Predictions for source pictures that the head wasn't fitted on, and labels.
    target_probabilities : (m, n_classes) array_like
        Predictions for target pictures; TypeError or ValueError if they don't match the source's.
    method : {"em", "confusion"}, default "em"
        "em" maximises the likelihood (Saerens et al., 2002. Adjusting the outputs of a classifier). "confusion" solves
        least squares with the confusion matrix (Lipton et al., 2018. Detecting and correcting for label shift).

    Returns
    -------
    (n_classes,) float64 array
        Shares with sum 1. They can be worse than none if pictures of a class look different in both domains.

    Examples
    --------
    >>> estimate_priors([[0.8, 0.2], [0.2, 0.8]], [0, 1], [[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.2, 0.8]], "confusion")
    array([0.75, 0.25])
    """
    check_known("method", [method], METHODS)
    source, target = check_probabilities(source_probabilities), check_probabilities(target_probabilities)
    n_classes = source.shape[1]
    if target.shape[1] != n_classes:
        raise ValueError(f"target_probabilities: of {target.shape[1]} classes, expected {n_classes}, as of the source")
    labels = check_class_indices("source_labels", source_labels, len(source), n_classes)
    priors = np.bincount(labels, minlength=n_classes) / len(labels)
    return _maximise_likelihood(target, priors) if method == "em" else _explain_predictions(source, labels, target)


def _maximise_likelihood(probabilities, source_priors):
    """Return the (n_classes,) priors that maximise the likelihood of (m, n_classes) probabilities, by EM."""
    priors = source_priors
    for _ in range(_N_STEPS):
        before, priors = priors, _rescale(probabilities, source_priors, priors).mean(axis=0)
        if np.abs(priors - before).max() < _TOLERANCE:
            break
    return priors


def _explain_predictions(source, labels, target):
    """Return the (n_classes,) priors that best explain how often each class is predicted in the target."""
    from scipy.optimize import nnls

    n_classes = source.shape[1]
    # Confusion matrix (predicted, true), whose product with the ratios of priors gives the target's predicted shares.
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (source.argmax(axis=1), labels), 1 / len(labels))
    predicted = np.bincount(target.argmax(axis=1), minlength=n_classes) / len(target)
    ratios = nnls(confusion, predicted)[0]
    priors = ratios * confusion.sum(axis=0)
    return priors / priors.sum() if priors.any() else confusion.sum(axis=0)


def correct_priors(probabilities: ArrayLike, source_priors: ArrayLike, target_priors: ArrayLike) -> np.ndarray:
    """Convert probabilities to other class shares, by Bayes' rule.

    Parameters
    ----------
    probabilities, source_priors, target_priors : (n, n_classes), (n_classes,) and (n_classes,) array_like
        Predictions of a head, class shares of the pictures it was fitted on, and class shares to convert to.

    Returns
    -------
    (n, n_classes) float64 array
        Equation 2.4 of Saerens et al., 2002. Classes without source pictures, and rows without any class, stay.

    Examples
    --------
    >>> correct_priors([[0.5, 0.5]], [0.5, 0.5], [0.9, 0.1])
    array([[0.9, 0.1]])
    """
    probabilities = check_probabilities(probabilities)
    source_priors = check_priors("source_priors", source_priors, probabilities.shape[1])
    target_priors = check_priors("target_priors", target_priors, probabilities.shape[1])
    return _rescale(probabilities, source_priors, target_priors)


def _rescale(probabilities, source_priors, target_priors):
    """Return the result of `correct_priors` for arrays."""
    ratios = np.divide(target_priors, source_priors, out=np.ones_like(source_priors), where=source_priors > 0)
    corrected = probabilities * ratios
    total = corrected.sum(axis=1, keepdims=True)
    return np.where(total > 0, corrected / np.where(total > 0, total, 1.0), probabilities)


def check_priors(argument, priors, n_classes):
    """Return class shares as (n_classes,) float64; ValueError if they aren't at least 0 with sum 1."""
    priors = check_shape(argument, priors, (n_classes,), "one share per class").astype(np.float64)
    if not ((priors >= 0).all() and np.isclose(priors.sum(), 1, atol=1e-3)):
        raise ValueError(f"{argument}: {priors}, expected shares of at least 0 with sum 1: divide counts by their sum")
    return priors
