"""Temperature scaling: one number that makes probabilities less or more confident. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_number, check_predictions, check_probabilities
from tlkit.heads.numerics import softmax
from tlkit.notices import warn

# Beyond these limits the probabilities of any network are 0 and 1, or all alike.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0
_FLAT = 1e-12  # a slope this small is rounding


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Fit the temperature that minimises the log loss on held-out pictures.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        Predicted probabilities (the softmax of scores) of pictures of neither the training nor the test set.
    labels : array-like of int, shape (n,)
        True classes, as columns of `probabilities`.

    Returns
    -------
    float
        The temperature, 0.01 to 100: above 1 if the network is overconfident, below 1 if it is underconfident.

    Raises
    ------
    TypeError, ValueError
        As in `measure_brier`, and if a true class has probability 0, which no temperature changes.

    Warns
    -----
    UserWarning
        If the log loss has its minimum beyond 0.01 or 100, as if all predictions are correct, or none beats chance.

    Notes
    -----
    Scores are divided by the temperature, which keeps the order of the classes and therefore the accuracy. The log
    loss is convex in the inverse temperature, so its minimum is where its slope is 0, which bracketing finds; Guo et
    al. use gradient descent. Logarithms of probabilities serve as scores: they differ from the network's scores only
    by a constant per picture, which cancels.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger 2017, On calibration of modern neural networks.

    Examples
    --------
    >>> round(fit_temperature(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]), [0, 1, 1]), 2)
    3.17
    """
    probabilities, labels = check_predictions(probabilities, labels)
    of_truth = probabilities[np.arange(len(labels)), labels]
    if n_ruled_out := int((of_truth == 0).sum()):
        counts = f"probabilities: 0 for the true class of {n_ruled_out} of {len(labels)} pictures"
        raise ValueError(f"{counts}, which no temperature changes: take a head that isn't 'knn'")
    scores = _find_scores(probabilities)
    finite = np.where(np.isfinite(scores), scores, 0.0)  # 0 × -inf would be NaN

    def find_slope(inverse):
        # Derivative of the log loss by the inverse temperature: the expected score less the true class's score.
        return float(((softmax(inverse * scores) * finite).sum(axis=1) - np.log(of_truth)).mean())

    if find_slope(1 / MIN_TEMPERATURE) < _FLAT:
        return _warn_of_limit(MIN_TEMPERATURE, "(nearly) every picture is predicted correctly")
    if find_slope(1 / MAX_TEMPERATURE) > -_FLAT:
        return _warn_of_limit(MAX_TEMPERATURE, "the predictions are no better than chance")
    from scipy.optimize import brentq

    return float(1 / brentq(find_slope, 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE, xtol=1e-12))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> np.ndarray:
    """Divide the scores behind probabilities by a temperature.

    Parameters
    ----------
    probabilities, temperature : array-like of shape (n, n_classes) and float
        Predicted probabilities, and a temperature above 0; 1 changes nothing.

    Returns
    -------
    ndarray of shape (n, n_classes)
        The new probabilities. A probability of 0 stays 0.

    Raises
    ------
    TypeError, ValueError
        If `temperature` is not above 0, or `probabilities` are no probabilities.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger 2017, On calibration of modern neural networks.

    Examples
    --------
    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3)
    array([[0.667, 0.333]])
    """
    temperature = check_number("temperature", temperature, above=0)
    return softmax(_find_scores(check_probabilities(probabilities)) / temperature)


def _find_scores(probabilities):
    """Return the logarithms of (n, n_classes) probabilities, -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def _warn_of_limit(temperature, reason):
    """Warn that the log loss has no minimum between the limits; return the limit."""
    message = f"labels: {reason}, so the temperature is set to its limit {temperature:g}; hold out more pictures"
    warn(message)
    return temperature
