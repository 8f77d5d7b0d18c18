"""Shares of classes: what they are in a target without labels, and probabilities put right by them. Without torch."""

import numpy as np

from tlkit.arguments import check_known, check_probabilities

METHODS = ("em", "confusion")
_N_STEPS = 1000
_TOLERANCE = 1e-9


def estimate_priors(source_probabilities, source_labels, target_probabilities, method="em"):
    """Estimate the shares of classes in the target, from what a head says of its pictures.

    Both methods take it that pictures of one class look the same in both domains, and that only the shares differ.
    Where the pictures differ as well, a head that is wrong is taken at its word, and the estimate can be worse than
    none.

    Arguments
    ---------
    source_probabilities: (n, n_classes)
        Of pictures of the source that the head didn't learn from: on others it is too sure.
    source_labels: (n,) int
    target_probabilities: (m, n_classes)
    method: str
        "em": the shares that make the target's pictures likeliest (Saerens, Latinne and Decaestecker 2002, Adjusting
        the outputs of a classifier to new a priori probabilities); it takes the probabilities at their word. The
        labels give the shares it starts from.
        "confusion": the shares that explain how often each class is predicted, given which classes the head takes for
        which in the source (Lipton, Wang and Smola 2018, Detecting and correcting for label shift with black box
        predictors); it needs only the predictions. We solve by least squares with no share below 0, where they invert.

    Returns (n_classes,) float64 with sum 1; a class that the source doesn't have gets 0.

    Raises TypeError or ValueError for what can't be probabilities and labels of the same classes.

    >>> source = np.repeat([[0.8, 0.2], [0.2, 0.8]], [50, 50], axis=0)
    >>> labels = np.repeat([0, 1, 1, 0], [40, 10, 40, 10])
    >>> target = np.repeat([[0.8, 0.2], [0.2, 0.8]], [62, 38], axis=0)
    >>> estimate_priors(source, labels, target).round(3), estimate_priors(source, labels, target, "confusion").round(3)
    (array([0.7, 0.3]), array([0.7, 0.3]))
    """
    check_known("method", [method], METHODS)
    source, target = check_probabilities(source_probabilities), check_probabilities(target_probabilities)
    n_classes = source.shape[1]
    if target.shape[1] != n_classes:
        raise ValueError(f"target_probabilities: of {target.shape[1]} classes, expected {n_classes}, as of the source")
    labels = np.asarray(source_labels)
    if labels.shape != (len(source),) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"source_labels: expected {len(source)} whole numbers from 0 to {n_classes - 1}, one a picture"
        )
    priors = np.bincount(labels, minlength=n_classes) / len(labels)
    return _maximise_likelihood(target, priors) if method == "em" else _explain_predictions(source, labels, target)


def _maximise_likelihood(probabilities, source_priors):
    priors = source_priors
    for _ in range(_N_STEPS):
        before, priors = priors, correct_priors(probabilities, source_priors, priors).mean(axis=0)
        if np.abs(priors - before).max() < _TOLERANCE:
            break
    return priors


def _explain_predictions(source, labels, target):
    from scipy.optimize import nnls

    n_classes = source.shape[1]
    confusion = np.zeros((n_classes, n_classes))  # row = predicted, column = true, a share of all pictures
    np.add.at(confusion, (source.argmax(axis=1), labels), 1 / len(labels))
    predicted = np.bincount(target.argmax(axis=1), minlength=n_classes) / len(target)
    ratios = nnls(confusion, predicted)[0]
    priors = ratios * confusion.sum(axis=0)
    return priors / priors.sum() if priors.any() else confusion.sum(axis=0)


def correct_priors(probabilities, source_priors, target_priors):
    """Return probabilities as they would be if classes had other shares: times the ratio of the shares.

    Saerens, Latinne and Decaestecker 2002, equation 2.4.

    Arguments
    ---------
    probabilities: (n, n_classes)
    source_priors: (n_classes,)
        The shares among the pictures that the head learned from.
    target_priors: (n_classes,)

    Returns (n, n_classes) float64. A class that the source doesn't have keeps its probability. A picture whose classes
    all have a share of 0 keeps its probabilities.

    >>> correct_priors(np.array([[0.5, 0.5]]), [0.5, 0.5], [0.9, 0.1])
    array([[0.9, 0.1]])
    """
    source_priors, target_priors = np.asarray(source_priors, float), np.asarray(target_priors, float)
    ratios = np.divide(target_priors, source_priors, out=np.ones_like(source_priors), where=source_priors > 0)
    corrected = np.asarray(probabilities) * ratios
    total = corrected.sum(axis=1, keepdims=True)
    return np.where(total > 0, corrected / np.where(total > 0, total, 1.0), probabilities)
