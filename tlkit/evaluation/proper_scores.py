"""Proper scores of probabilities: best, on average, for who says just what is true. Without torch.

Both ask more than an accuracy does: that what is said with 0.9 comes true nine times in ten, and that it is said of the
right pictures.
"""

import numpy as np

from tlkit.arguments import check_probabilities

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
    if not 0 <= floor <= 1:
        raise ValueError(f"floor: {floor!r}, expected a probability, 0 to 1, such as {FLOOR}")
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], floor)
    with np.errstate(divide="ignore"):  # log 0 is the infinity that floor=0 asks for
        return float(-np.log(chosen).mean())


def check_predictions(probabilities, labels):
    """Return ((n, n_classes) float64, (n,) int64) once they can be probabilities and the true classes' columns.

    Raises TypeError or ValueError, naming the argument, where they can't.
    """
    probabilities, labels = check_probabilities(probabilities), np.asarray(labels)
    n, n_classes = probabilities.shape
    if not n:
        raise ValueError("probabilities: no row, expected those of one picture at least")
    if labels.dtype.kind not in "iu" or labels.shape != (n,):
        raise TypeError(
            f"labels: shape {labels.shape} of type {labels.dtype}, expected ({n},) whole numbers, for each row of "
            "probabilities the column of its true class"
        )
    if len(wrong := labels[(labels < 0) | (labels >= n_classes)]):
        raise ValueError(
            f"labels: {wrong[0]}, expected columns of probabilities, 0 to {n_classes - 1}; bring both to the same "
            "list of classes with ImageSet.with_classes"
        )
    return probabilities, labels.astype(np.int64)
