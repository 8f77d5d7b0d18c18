"""One number that makes a network as sure as it may be: temperature scaling. Without torch."""

import warnings

import numpy as np

from tlkit.evaluation.proper_scores import check_predictions
from tlkit.heads.checking import check_positive
from tlkit.heads.head import softmax

# Beyond these probabilities are 0 and 1, or all alike, for whatever a network says.
LOWEST, HIGHEST = 0.01, 100.0
_FLAT = 1e-12  # a slope that is nothing but rounding


def fit_temperature(probabilities, labels):
    """Return the temperature with the smallest log loss on pictures that the head did not learn from.

    Guo, Pleiss, Sun and Weinberger 2017 (On calibration of modern neural networks): scores are divided by one number,
    above 1 where the network is too sure, below 1 where it is not sure enough. The order of the classes stays, and with
    it the accuracy. In the inverse of the temperature the log loss is convex, so its one minimum is where its slope is
    0, which is found by bisection; Guo et al. search by gradient descent. We take probabilities, whose logarithms are
    the scores but for what is the same for all classes of a picture, and drops out.

    Arguments
    ---------
    probabilities: (n, n_classes)
        Of pictures held out of training, and out of the test; of a network's scores take `tlkit.heads.head.softmax`.
    labels: (n,) int
        Columns of `probabilities`.

    Returns a float, 0.01 to 100. Warns where the log loss falls all the way to one of these ends: where every picture
    is labelled right, or what was said is no better than nothing. Raises ValueError where a true class has probability
    0, which no temperature changes, and as `measure_brier` does.

    >>> round(fit_temperature(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]), [0, 1, 1]), 2)
    3.17
    """
    probabilities, labels = check_predictions(probabilities, labels)
    of_truth = probabilities[np.arange(len(labels)), labels]
    if n_ruled_out := int((of_truth == 0).sum()):
        raise ValueError(
            f"probabilities: 0 for the true class of {n_ruled_out} of {len(labels)} pictures, which no temperature "
            "changes; leave these pictures out, or take a head that rules no class out (not 'knn')"
        )
    scores = _find_scores(probabilities)
    finite = np.where(np.isfinite(scores), scores, 0.0)  # 0 times minus infinity is no number

    def find_slope(inverse):
        # Of the log loss over the inverse temperature: what the classes' scores are on average, less the true class's.
        return float(((softmax(inverse * scores) * finite).sum(axis=1) - np.log(of_truth)).mean())

    if find_slope(1 / LOWEST) < _FLAT:
        return _stop_at(LOWEST, "every picture is labelled right, or nearly, so that surer is always better")
    if find_slope(1 / HIGHEST) > -_FLAT:
        return _stop_at(HIGHEST, "what was said is no better than nothing")
    from scipy.optimize import brentq

    return float(1 / brentq(find_slope, 1 / HIGHEST, 1 / LOWEST, xtol=1e-12))


def apply_temperature(probabilities, temperature):
    """Return (n, n_classes) probabilities whose scores are divided by a temperature, which 1 leaves as they are.

    Guo et al. 2017, as `fit_temperature` says. A probability of 0 stays 0.

    Arguments
    ---------
    probabilities: (n, n_classes)
    temperature: float
        Above 0.

    Raises ValueError for another temperature, TypeError or ValueError for what can't be probabilities.

    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3)
    array([[0.667, 0.333]])
    """
    temperature = check_positive("temperature", temperature)
    probabilities, _ = check_predictions(probabilities, np.zeros(len(probabilities), np.int64))
    return softmax(_find_scores(probabilities) / temperature)


def _find_scores(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def _stop_at(temperature, reason):
    warnings.warn(f"labels: {reason}; temperature {temperature:g} is taken. Hold out more pictures", stacklevel=3)
    return temperature
