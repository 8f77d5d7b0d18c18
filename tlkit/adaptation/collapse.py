"""An alarm for what no score of a method may hide: predictions that have collapsed. Without torch."""

import numpy as np

from tlkit.arguments import check_probabilities

_ONE_CLASS = 0.9
_FAR = 0.5


def detect_collapse(probabilities, source_priors):
    """Say that the predictions have collapsed, without a look at a label.

    Arguments
    ---------
    probabilities: (m, n_classes)
        Of pictures of the target.
    source_priors: (n_classes,)
        The shares of the classes in the source; those of the target may differ, but seldom by more than half.

    Returns a sentence (str) where one class is predicted for 90 % of the pictures or more, or the predicted shares are
    further from the source's than 0.5 in total variation; else None.

    >>> detect_collapse(np.array([[0.9, 0.1], [0.6, 0.4]]), [0.5, 0.5])
    'collapse: class 0 is predicted for 100 % of the pictures, and has 50 % of the source'
    >>> detect_collapse(np.array([[0.9, 0.1], [0.4, 0.6]]), [0.5, 0.5])
    """
    probabilities = check_probabilities(probabilities)
    priors = np.asarray(source_priors, float)
    n_classes = probabilities.shape[1]
    if priors.shape != (n_classes,):
        raise ValueError(f"source_priors: shape {priors.shape}, expected ({n_classes},), a share a class")
    shares = np.bincount(probabilities.argmax(axis=1), minlength=n_classes) / len(probabilities)
    largest = shares.argmax()
    if shares[largest] >= _ONE_CLASS > priors[largest]:
        return (
            f"collapse: class {largest} is predicted for {shares[largest]:.0%} of the pictures, and has "
            f"{priors[largest]:.0%} of the source".replace("%", " %")
        )
    distance = np.abs(shares - priors).sum() / 2
    if distance > _FAR:
        return f"collapse: the predicted shares of classes are {distance:.2f} from the source's in total variation"
    return None
