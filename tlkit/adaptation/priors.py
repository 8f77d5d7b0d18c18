"""Class priors: the class shares of an unlabelled target, and probabilities corrected by them. Without torch."""

import numpy as np

from tlkit.arguments import check_class_indices, check_known, check_probabilities

METHODS = ("em", "confusion")
_N_STEPS = 1000
_TOLERANCE = 1e-9


def estimate_priors(source_probabilities, source_labels, target_probabilities, method="em"):
    """Return the (n_classes,) class shares of the target, estimated from a head's predictions."""
    # Both methods assume that pictures of a class look the same in both domains and only the shares differ. If the
    # pictures differ too, the estimate can be worse than none. "em" finds the shares with the highest likelihood of the
    # target's pictures (Saerens, Latinne and Decaestecker 2002). "confusion" finds the shares that explain how often
    # each class is predicted, given the confusion matrix of the source (Lipton, Wang and Smola 2018, who invert it; we
    # solve non-negative least squares). The head must not be fitted on the source pictures, on which it would be
    # overconfident.
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
        before, priors = priors, correct_priors(probabilities, source_priors, priors).mean(axis=0)
        if np.abs(priors - before).max() < _TOLERANCE:
            break
    return priors


def _explain_predictions(source, labels, target):
    """Return the (n_classes,) priors that best explain how often each class is predicted in the target."""
    from scipy.optimize import nnls

    n_classes = source.shape[1]
    # Confusion matrix (predicted, true) as shares of all source pictures. Its product with the ratios of target to
    # source priors gives the predicted shares of the target.
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (source.argmax(axis=1), labels), 1 / len(labels))
    predicted = np.bincount(target.argmax(axis=1), minlength=n_classes) / len(target)
    ratios = nnls(confusion, predicted)[0]
    priors = ratios * confusion.sum(axis=0)
    return priors / priors.sum() if priors.any() else confusion.sum(axis=0)


def correct_priors(probabilities, source_priors, target_priors):
    """Return (n, n_classes) probabilities converted to other class shares, by Bayes' rule."""
    # Saerens, Latinne and Decaestecker 2002, equation 2.4. Classes without source pictures keep theirs before rows are
    # normalised; so does a whole row if all its classes have a target share of 0.
    source_priors, target_priors = np.asarray(source_priors, float), np.asarray(target_priors, float)
    ratios = np.divide(target_priors, source_priors, out=np.ones_like(source_priors), where=source_priors > 0)
    corrected = np.asarray(probabilities) * ratios
    total = corrected.sum(axis=1, keepdims=True)
    return np.where(total > 0, corrected / np.where(total > 0, total, 1.0), probabilities)
