"""Proper scoring rules: their expected value is best for the true probabilities. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_number, check_predictions

FLOOR = 1e-15


def measure_brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Compute the Brier score: squared errors, summed over classes and averaged over pictures.

    Parameters
    ----------
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.

    Returns
    -------
    float
        0 at best, 2 at worst; 1 - 1 / n_classes if all classes are equally probable.

    Raises
    ------
    TypeError, ValueError
        If `probabilities` are no probabilities, or `labels` are not their columns.

    Notes
    -----
    This is Brier's own form for several classes. For two classes it is twice the form that is often given.

    References
    ----------
    Brier 1950, Verification of forecasts expressed in terms of probability.

    Examples
    --------
    >>> measure_brier([[0.5, 0.5], [1.0, 0.0]], [0, 0])
    0.25
    """
    probabilities, labels = check_predictions(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def measure_log_loss(probabilities: ArrayLike, labels: ArrayLike, *, floor: float = FLOOR) -> float:
    """Compute the log loss (cross-entropy): the mean of -log of the true class's probability.

    Parameters
    ----------
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.
    floor : float, default 1e-15
        Lower limit of the true class's probability, 0 to 1; other classes are not rescaled. Without a limit (0), a
        single true class with probability 0 makes the loss infinite; by default it adds 34.5 nats.

    Returns
    -------
    float
        Loss in nats: 0 at best, log(n_classes) if all classes are equally probable.

    Raises
    ------
    TypeError, ValueError
        If `probabilities` are no probabilities, `labels` are not their columns, or `floor` is out of range.

    Examples
    --------
    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 0]), 3)
    0.347
    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 1]), 1), measure_log_loss([[1.0, 0.0]], [1], floor=0)
    (17.6, inf)
    """
    probabilities, labels = check_predictions(probabilities, labels)
    floor = check_number("floor", floor, at_least=0, at_most=1, hint=f", such as {FLOOR}")
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], floor)
    with np.errstate(divide="ignore"):  # with floor=0, log(0) is intended
        return float(-np.log(chosen).mean())
