"""Scores from a pretrained network's predictions of its own source classes. Without torch.

They need the classifier that the network was pretrained with; `tlkit.selection.predict_source` restores it. Any
classifier trained on another domain works too.
"""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_probabilities
from tlkit.features.arrays import check_labels


def score_leep(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Measure LEEP: the mean log-likelihood of the labels, predicted from source class probabilities.

    Parameters
    ----------
    probabilities : (n, n_source_classes) array_like
        Predictions of the network's own classifier.
    labels : (n,) int or str array_like
        Labels of the pictures.

    Returns
    -------
    float
        At most 0, in nats.

    References
    ----------
    Nguyen, Hassner, Seeger and Archambeau, 2020. LEEP: a new measure to evaluate transferability of learned
    representations.

    Examples
    --------
    >>> score_leep([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], ["bird", "bird", "bug", "bug"])
    0.0
    """
    probabilities = check_probabilities(probabilities)
    labels, n_classes = check_labels(labels, n_rows=len(probabilities))
    joint = np.eye(n_classes)[labels].T @ probabilities / len(labels)  # (n_classes, n_source_classes)
    sums = joint.sum(axis=0)
    conditional = joint / np.where(sums > 0, sums, 1)  # a source class without any probability predicts nothing
    return float(np.mean(np.log(np.sum(conditional[labels] * probabilities, axis=1))))


def score_nce(source_labels: ArrayLike, labels: ArrayLike) -> float:
    """Measure the negative conditional entropy of the labels, given each picture's source class.

    Parameters
    ----------
    source_labels : (n,) int or str array_like
        Source classes predicted by the network's own classifier.
    labels : (n,) int or str array_like
        Labels of the pictures.

    Returns
    -------
    float
        At most 0, in nats.

    References
    ----------
    Tran, Nguyen and Hassner, 2019. Transferability and hardness of supervised classification tasks.

    Examples
    --------
    >>> score_nce([7, 7, 8, 8], ["bird", "bird", "bug", "bug"])
    0.0
    """
    source, n_source = check_labels(source_labels, "source_labels")
    labels, n_classes = check_labels(labels, n_rows=len(source))
    joint = np.zeros((n_source, n_classes))
    np.add.at(joint, (source, labels), 1 / len(labels))
    conditional = joint / joint.sum(axis=1, keepdims=True)
    return float(np.sum(joint * np.log(np.where(joint > 0, conditional, 1))))
