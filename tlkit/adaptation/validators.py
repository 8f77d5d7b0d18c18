"""Validators: scores that choose an adaptation method without target labels, and their regret. Without torch.

Higher is better for all of them. They disagree with each other more than the methods differ (Musgrave, Belongie and
Lim 2022, Benchmarking validation methods for unsupervised domain adaptation). Judge each by its `regret` on pairs of
domains with known labels.
"""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_class_indices, check_number, check_predictions, check_probabilities, check_shape
from tlkit.features.arrays import check_rows

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
        the source's by more than 0.5 in total variation.

    Raises
    ------
    ValueError
        If the shapes don't match.

    Examples
    --------
    >>> detect_collapse(np.array([[0.9, 0.1], [0.6, 0.4]]), [0.5, 0.5])
    'collapse: class 0 is predicted for 100 % of the pictures, and has 50 % of the source'
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


def score_entropy(probabilities):
    """Return minus the mean entropy of the target's predictions, in nats (Morerio, Cavazza and Murino 2018)."""
    # Confident heads score high, even if they predict one class for all pictures.
    return -float(_measure_entropy(check_probabilities(probabilities)).mean())


def score_information_maximisation(probabilities):
    """Return the mutual information of picture and predicted class, 0 to log(n_classes) nats."""
    # Bridle, Heading and MacKay 1991: high if predictions are confident and use all classes.
    probabilities = check_probabilities(probabilities)
    whole = _measure_entropy(probabilities.mean(axis=0, keepdims=True))[0]
    return float(whole - _measure_entropy(probabilities).mean())


def score_bnm(probabilities):
    """Return the nuclear norm of the predictions over its maximum: high if they are confident and diverse."""
    # Cui et al. 2020 (batch nuclear-norm maximization) divide by the number of pictures instead.
    probabilities = check_probabilities(probabilities)
    n, n_classes = probabilities.shape
    return float(np.linalg.svd(probabilities, compute_uv=False).sum() / np.sqrt(n * min(n, n_classes)))


def score_norm(probabilities, power=4):
    """Return the mean Lp norm of the predictions, which rewards confidence (Xie et al. 2024, MaNo)."""
    # The paper also replaces softmax for badly calibrated scores; we omit this, as skada does without a deep network.
    # As with the entropy, a head that predicts one class for all pictures scores high.
    return float(np.mean(check_probabilities(probabilities) ** check_number("power", power, above=0)) ** (1 / power))


def score_neighbourhood_density(probabilities, temperature=0.05):
    """Return the mean entropy of the similarities of each prediction to all others, in nats."""
    # Saito et al. 2021 (Tune it the right way). In dense clusters each picture has many equal neighbours, so the
    # entropy is high. As in skada, the similarity of a picture to itself is negated rather than omitted.
    probabilities = check_probabilities(probabilities)
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarities = directions @ directions.T / temperature
    np.fill_diagonal(similarities, -np.diag(similarities))
    shares = np.exp(similarities - similarities.max(axis=1, keepdims=True))
    return float(_measure_entropy(shares / shares.sum(axis=1, keepdims=True)).mean())


def score_source_accuracy(probabilities, labels):
    """Return balanced accuracy on held-out source pictures, which a sound method doesn't lose."""
    probabilities, labels = check_predictions(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def score_importance_weighted(probabilities, labels, weights):
    """Return accuracy on held-out source pictures, weighted by `weigh_source` (Sugiyama et al. 2007)."""
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    return float(np.average(probabilities.argmax(axis=1) == labels, weights=weights))


def score_deep_embedded(probabilities, labels, weights):
    """Return minus the weighted cross-entropy on held-out source pictures, with reduced variance."""
    # You, Wang, Long and Jordan 2019 (Towards accurate model selection in deep unsupervised domain adaptation). The
    # true mean of the weights is 1. Their observed mean is therefore a control variate for the weighted loss.
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    of_label = np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1 - 1e-15)
    weighted = -weights * np.log(of_label)
    if len(labels) < 2 or np.ptp(weights) == 0:
        return -float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / np.var(weights, ddof=1)
    return -float(weighted.mean() + eta * weights.mean() - eta)


def score_circular(method, values, labels, target_values, predicted, n_classes, seed=0):
    """Return the source accuracy after adapting back from the pseudo-labelled target (circular validation)."""
    # Bruzzone and Marconcini 2010 (Domain adaptation problems: a DASVM classification technique and a circular
    # validation strategy). Mistakes on the target come back as mistakes on the source, unless both ways are wrong
    # alike.
    if not hasattr(method, "fit"):
        raise TypeError(
            f"method: {method!r}, expected an objective of tlkit.adaptation.solved_objectives, such as Align('coral')"
        )
    predicted = check_class_indices("predicted", predicted, len(target_values), n_classes)
    present = np.unique(predicted)
    if len(present) < 2:  # no head can be fitted: predict that class for the source too
        probabilities = np.tile(np.eye(n_classes)[present[0]], (len(labels), 1))
    else:
        probabilities = method.fit(target_values, predicted, values, n_classes, seed).predict(values)
    return score_source_accuracy(probabilities, labels)


def score_mixed(predict, target_values, mixing_ratio=0.55, seed=0):
    """Return how often a picture mixed with a little less of another keeps its predicted class, 0 to 1."""
    # Hu et al. 2023 (Mixed samples as probes for unsupervised model selection in domain adaptation) mix pictures; we
    # mix features, as skada does. Pairs predicted as one class and pairs predicted as two count the same: the latter
    # test whether the decision boundary lies halfway.
    if not callable(predict):
        raise TypeError(f"predict: a {type(predict).__name__}, expected a function such as a head's predict")
    target_values = check_rows("target_values", target_values)
    mixing_ratio = check_number("mixing_ratio", mixing_ratio, above=0.5, below=1)
    order = np.random.RandomState(seed).permutation(len(target_values))  # the same draw as skada's, for comparison
    mixtures = mixing_ratio * target_values + (1 - mixing_ratio) * target_values[order]
    first, mixed = (check_probabilities(predict(rows), "predict").argmax(axis=1) for rows in (target_values, mixtures))
    same = first == first[order]
    return float(np.mean([(mixed == first)[rows].mean() for rows in (same, ~same) if rows.any()]))


def regret(scores: ArrayLike, accuracies: ArrayLike) -> float:
    """Measure the accuracy lost by choosing the method with the highest score.

    Parameters
    ----------
    scores : (k,) array_like
        Scores of k methods or settings. If several share the highest, their accuracies are averaged.
    accuracies : (k,) array_like
        Their accuracies.

    Returns
    -------
    float
        Best accuracy minus that of the choice, at least 0.

    Raises
    ------
    ValueError
        If the shapes differ or a value isn't finite.

    Examples
    --------
    >>> round(regret([0.9, 0.7, 0.1], [0.5, 0.6, 0.2]), 3)
    0.1
    """
    scores, accuracies = np.asarray(scores, float), np.asarray(accuracies, float)
    if scores.ndim != 1 or scores.shape != accuracies.shape or not len(scores):
        raise ValueError(f"scores: shape {scores.shape} with accuracies {accuracies.shape}, expected (k,) for both")
    for argument, values in (("scores", scores), ("accuracies", accuracies)):
        if not np.isfinite(values).all():
            raise ValueError(f"{argument}: some are NaN or infinite, so none is the highest: remove these from both")
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _check_weights(weights, n_rows):
    """Return (n_rows,) weights as floats; ValueError if one is negative or all are 0."""
    weights = np.asarray(weights, float)
    if weights.shape != (n_rows,) or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"weights: expected ({n_rows},) numbers of at least 0, not all 0, one per picture")
    return weights


def _measure_entropy(probabilities):
    """Return the (m,) entropies in nats of (m, n_classes) probabilities; 0 log 0 is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return 0.0 - (probabilities * logarithms).sum(axis=1)
