"""Proper scores of probabilities: best, on average, for who says just what is true. Without torch.

Both ask more than an accuracy does: that what is said with 0.9 comes true nine times in ten, and that it is said of the
right pictures.
"""

import numpy as np

from tlkit.arguments import check_number, check_predictions

FLOOR = 1e-15


def measure_brier(probabilities, labels):
    """Return the Brier score: the mean over pictures of the summed squared errors of all classes' probabilities.

    Brier 1950 (Verification of forecasts expressed in terms of probability), in its own form for several classes, which
    for two classes is twice the one that is often given.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int
        Columns of `probabilities`.

    Returns a float: 0 at best, 2 at worst, 1 - 1 / n_classes where every class is said to be as likely.
    Raises TypeError or ValueError, naming the argument, for what can't be probabilities with a label each.

    >>> measure_brier([[0.5, 0.5], [1.0, 0.0]], [0, 0])
    0.25
    """
    probabilities, labels = check_predictions(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def measure_log_loss(probabilities, labels, *, floor=FLOOR):
    """Return the log loss, or cross-entropy, in nats: the mean of -log of the probability of the true class.

    A single true class with probability 0 makes it infinite, so that whatever else was said is lost. Probabilities of
    the true class below `floor` count as `floor`; the others aren't made smaller for that.

    Arguments
    ---------
    probabilities, labels
        As in `measure_brier`.
    floor: float
        0 to 1. At the default a true class that was ruled out costs 34.5 nats; 0 leaves it infinite.

    Returns a float: 0 at best, log(n_classes) where every class is said to be as likely. Raises as `measure_brier`.

    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 0]), 3)
    0.347
    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 1]), 1), measure_log_loss([[1.0, 0.0]], [1], floor=0)
    (17.6, inf)
    """
    probabilities, labels = check_predictions(probabilities, labels)
    floor = check_number("floor", floor, at_least=0, at_most=1, hint=f", such as {FLOOR}")
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], floor)
    with np.errstate(divide="ignore"):  # log 0 is the infinity that floor=0 asks for
        return float(-np.log(chosen).mean())
