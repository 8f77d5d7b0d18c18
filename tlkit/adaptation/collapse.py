"""Detect predictions that have collapsed into few classes, which no score may hide. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_probabilities, check_shape

_ONE_CLASS_SHARE = 0.9
_FAR_FROM_SOURCE = 0.5  # in total variation


def detect_collapse(probabilities: ArrayLike, source_priors: ArrayLike) -> str | None:
    """Warn if the predictions for a target have collapsed, without using labels.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.
    source_priors : (n_classes,) array_like
        Class shares in the source. Those of the target may differ, but seldom by more than half.

    Returns
    -------
    str or None
        A sentence if one class is predicted for at least 90 % of the pictures, or if the predicted shares differ from
        the source's by more than 0.5 in total variation. Otherwise None.

    Raises
    ------
    ValueError
        If the shapes don't match.

    Examples
    --------
    >>> detect_collapse(np.array([[0.9, 0.1], [0.6, 0.4]]), [0.5, 0.5])
    'collapse: class 0 is predicted for 100 % of the pictures, and has 50 % of the source'
    >>> detect_collapse(np.array([[0.9, 0.1], [0.4, 0.6]]), [0.5, 0.5])
    """
    probabilities = check_probabilities(probabilities)
    priors = np.asarray(source_priors, float)
    n_classes = probabilities.shape[1]
    check_shape("source_priors", priors, (n_classes,), "one share per class")
    shares = np.bincount(probabilities.argmax(axis=1), minlength=n_classes) / len(probabilities)
    largest = shares.argmax()
    if shares[largest] >= _ONE_CLASS_SHARE > priors[largest]:
        return (
            f"collapse: class {largest} is predicted for {shares[largest]:.0%} of the pictures, and has "
            f"{priors[largest]:.0%} of the source".replace("%", " %")
        )
    distance = np.abs(shares - priors).sum() / 2
    if distance > _FAR_FROM_SOURCE:
        return f"collapse: the predicted shares of classes are {distance:.2f} from the source's in total variation"
    return None
