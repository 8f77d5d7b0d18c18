"""Validators: scores that choose an adaptation method without target labels, and their regret. Without torch.

Higher is better for all of them. They disagree more than the methods differ (Musgrave, Belongie and Lim 2022,
Benchmarking validation methods for unsupervised domain adaptation), so judge each by its `regret`.
"""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.priors import check_priors
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
        A sentence if one class has 90 % of the predictions, or their shares differ by more than 0.5 in total variation.

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
    n_classes = probabilities.shape[1]
    priors = check_priors("source_priors", source_priors, n_classes)
    shares = np.bincount(probabilities.argmax(axis=1), minlength=n_classes) / len(probabilities)
    largest = shares.argmax()
    if shares[largest] >= _ONE_CLASS_SHARE > priors[largest]:
        return (
            f"collapse: class {largest} is predicted for {shares[largest]:.0%} of the pictures, and has "
            f"{priors[largest]:.0%} of the source".replace("%", " %")
        )
    distance = np.abs(shares - priors).sum() / 2
    if distance > _FAR_FROM_SOURCE:
        return f"collapse: the predicted class shares differ from the source's by {distance:.2f} (total variation)"
    return None


def score_entropy(probabilities: ArrayLike) -> float:
    """Measure minus the mean entropy of the target's predictions, which is high even if all are of one class.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures; errors are those of `detect_collapse`.

    Returns
    -------
    float
        At most 0 nats. See Morerio, Cavazza and Murino, 2018. Minimal-entropy correlation alignment.

    Examples
    --------
    >>> round(score_entropy([[0.5, 0.5], [0.5, 0.5]]), 3)
    -0.693
    """
    return -float(_measure_entropy(check_probabilities(probabilities)).mean())


def score_information_maximisation(probabilities: ArrayLike) -> float:
    """Measure the mutual information of picture and predicted class in nats: high if confident and diverse.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures; errors are those of `detect_collapse`.

    Returns
    -------
    float
        0 to log(n_classes). See Bridle et al., 1991. Unsupervised classifiers, mutual information and phantom targets.

    Examples
    --------
    >>> round(score_information_maximisation([[1.0, 0.0], [0.0, 1.0]]), 3)
    0.693
    """
    probabilities = check_probabilities(probabilities)
    whole = _measure_entropy(probabilities.mean(axis=0, keepdims=True))[0]
    return float(whole - _measure_entropy(probabilities).mean())


def score_bnm(probabilities: ArrayLike) -> float:
    """Measure the nuclear norm of the predictions over its maximum: high if confident and diverse.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures; errors are those of `detect_collapse`.

    Returns
    -------
    float
        At most 1. Cui et al., 2020 (batch nuclear-norm maximization) divide by the number of pictures instead.

    Examples
    --------
    >>> round(score_bnm(np.eye(3)), 3), round(score_bnm(np.eye(3)[[0, 0, 0]]), 3)
    (1.0, 0.577)
    """
    probabilities = check_probabilities(probabilities)
    n, n_classes = probabilities.shape
    return float(np.linalg.svd(probabilities, compute_uv=False).sum() / np.sqrt(n * min(n, n_classes)))


def score_norm(probabilities: ArrayLike, power: float = 4) -> float:
    """Measure the mean Lp norm of the predictions, which is high even if all are of one class (MaNo).

    Parameters
    ----------
    probabilities, power : (m, n_classes) array_like and float
        Predictions for target pictures and the p of the norm, above 0; errors are those of `detect_collapse`.

    Returns
    -------
    float
        At most n_classes ** (-1 / power). Xie et al., 2024 (MaNo) also replace softmax for badly calibrated scores.

    Examples
    --------
    >>> round(score_norm(np.eye(4)), 3), round(score_norm(np.full((4, 4), 0.25)), 3)
    (0.707, 0.25)
    """
    return float(np.mean(check_probabilities(probabilities) ** check_number("power", power, above=0)) ** (1 / power))


def score_neighbourhood_density(probabilities: ArrayLike, temperature: float = 0.05) -> float:
    """Measure the mean entropy of the similarities of each prediction to all others: high in dense clusters.

    Parameters
    ----------
    probabilities, temperature : (m, n_classes) array_like and float
        Predictions for target pictures and the divisor of cosine similarities; errors are those of `detect_collapse`.

    Returns
    -------
    float
        In nats. See Saito et al., 2021. Tune it the right way. As in skada, self-similarities are negated, not omitted.

    Examples
    --------
    >>> round(score_neighbourhood_density(np.eye(2)[[0, 0, 0, 1, 1, 1]]), 3)
    0.693
    """
    probabilities, temperature = check_probabilities(probabilities), check_number("temperature", temperature, above=0)
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarities = directions @ directions.T / temperature
    np.fill_diagonal(similarities, -np.diag(similarities))
    shares = np.exp(similarities - similarities.max(axis=1, keepdims=True))
    return float(_measure_entropy(shares / shares.sum(axis=1, keepdims=True)).mean())


def score_source_accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Measure balanced accuracy on held-out source pictures, which a sound method doesn't lose.

    Parameters
    ----------
    probabilities, labels : (n, n_classes) array_like and (n,) int array_like
        Predictions for held-out source pictures and their labels; TypeError or ValueError if they don't match.

    Returns
    -------
    float
        Balanced accuracy, 0 to 1.

    Examples
    --------
    >>> score_source_accuracy([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], [0, 0, 1])
    0.5
    """
    probabilities, labels = check_predictions(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def score_importance_weighted(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """Measure accuracy on held-out source pictures, weighted by their resemblance to the target.

    Parameters
    ----------
    probabilities, labels, weights : (n, n_classes) array_like, (n,) int array_like and (n,) array_like
        As in `score_source_accuracy`, with density ratios of target to source, not all 0, with a mean near 1.

    Returns
    -------
    float
        0 to 1. See Sugiyama et al., 2007. Covariate shift adaptation by importance weighted cross validation.

    Examples
    --------
    >>> score_importance_weighted([[0.9, 0.1], [0.6, 0.4]], [0, 1], [0.5, 1.5])
    0.25
    """
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    return float(np.average(probabilities.argmax(axis=1) == labels, weights=weights))


def score_deep_embedded(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """Measure minus the weighted cross-entropy on held-out source pictures, with reduced variance.

    Parameters
    ----------
    probabilities, labels, weights : (n, n_classes) array_like, (n,) int array_like and (n,) array_like
        As in `score_importance_weighted`. The weights' mean, whose true value is 1, is a control variate.

    Returns
    -------
    float
        In nats. See You et al., 2019. Towards accurate model selection in deep unsupervised domain adaptation.

    Examples
    --------
    >>> round(score_deep_embedded([[0.5, 0.5], [0.5, 0.5]], [0, 1], [1, 1]), 3)
    -0.693
    """
    probabilities, labels = check_predictions(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    of_label = np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1 - 1e-15)
    weighted = -weights * np.log(of_label)
    if len(labels) < 2 or np.ptp(weights) == 0:
        return -float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / np.var(weights, ddof=1)
    return -float(weighted.mean() + eta * weights.mean() - eta)


def score_circular(method, values, labels, target_values, predicted, n_classes: int, seed: int = 0) -> float:
    """Measure source accuracy after adapting back from the pseudo-labelled target (circular validation).

    Parameters
    ----------
    method : Align or Reweigh
        Any object with such a `fit`; TypeError if it has none.
    values, labels : (n, d) array_like and (n,) int array_like
        Features and labels of the source.
    target_values, predicted : (m, d) array_like and (m,) int array_like
        Features of the target and its predicted classes, whose mistakes come back; ValueError if out of range.
    n_classes, seed : int
        Number of classes, and seed of the fit.

    Returns
    -------
    float
        0 to 1. See Bruzzone and Marconcini, 2010. Domain adaptation problems: a DASVM classification technique.

    Examples
    --------
    >>> from tlkit.adaptation import Align
    >>> score_circular(Align("mean"), np.array([[0.0], [4.0]]), np.array([0, 1]), np.array([[9.0], [13.0]]), [0, 1], 2)
    1.0
    """
    if not hasattr(method, "fit"):
        raise TypeError(f"method: {method!r}, expected an objective of a solved head, such as Align('coral')")
    predicted = check_class_indices("predicted", predicted, len(target_values), n_classes)
    present = np.unique(predicted)
    if len(present) < 2:  # no head can be fitted: predict that class for the source too
        probabilities = np.tile(np.eye(n_classes)[present[0]], (len(labels), 1))
    else:
        probabilities = method.fit(target_values, predicted, values, n_classes, seed).predict(values)
    return score_source_accuracy(probabilities, labels)


def score_mixed(predict, target_values: ArrayLike, mixing_ratio: float = 0.55, seed: int = 0) -> float:
    """Measure how often features mixed with a little less of another picture's keep their predicted class.

    Parameters
    ----------
    predict : callable
        Takes (m, d) features and returns (m, n_classes) probabilities; TypeError if it can't be called.
    target_values : (m, d) array_like
        Features of the target.
    mixing_ratio, seed : float and int
        Share of the first picture, above 0.5 and below 1, and seed that draws the second ones.

    Returns
    -------
    float
        0 to 1; pairs of one class and of two count the same. Hu et al., 2023 (Mixed samples as probes) mix pictures.

    Examples
    --------
    >>> score_mixed(lambda values: np.hstack([values < 0, values >= 0]).astype(float), [[-1], [-1], [1], [1]])
    1.0
    """
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
    scores, accuracies : (k,) array_like
        Scores and accuracies of k methods or settings. If several share the highest score, accuracies are averaged.

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
    read = []
    for argument, values in (("scores", scores), ("accuracies", accuracies)):
        read.append(check_shape(argument, values, (max(1, np.size(scores)),), "one number per method").astype(float))
        if not np.isfinite(read[-1]).all():
            raise ValueError(f"{argument}: some are NaN or infinite, so none is the highest: remove these from both")
    scores, accuracies = read
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _check_weights(weights, n_rows):
    """Return (n_rows,) weights as floats; ValueError if one is negative or all are 0."""
    weights = check_shape("weights", weights, (n_rows,), "one per picture").astype(float)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"weights: expected ({n_rows},) numbers of at least 0, not all 0, one per picture")
    return weights


def _measure_entropy(probabilities):
    """Return the (m,) entropies in nats of (m, n_classes) probabilities; 0 log 0 is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return 0.0 - (probabilities * logarithms).sum(axis=1)
