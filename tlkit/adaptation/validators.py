"""Validators: scores that choose an adaptation method without target labels, and their regret. Without torch.

Higher is better for all of them. They disagree with each other more than the methods differ (Musgrave, Belongie and
Lim 2022, Benchmarking validation methods for unsupervised domain adaptation). Judge each by its `regret` on pairs of
domains with known labels.
"""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_number, check_probabilities


def score_entropy(probabilities: ArrayLike) -> float:
    """Measure minus the mean entropy of the target's predictions.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.

    Returns
    -------
    float
        At most 0, in nats.

    Notes
    -----
    Confident heads score high, even if they predict one class for all pictures.

    References
    ----------
    Morerio, Cavazza and Murino, 2018. Minimal-entropy correlation alignment for unsupervised deep domain adaptation.

    Examples
    --------
    >>> score_entropy(np.array([[1.0, 0.0], [0.0, 1.0]])), round(score_entropy(np.array([[0.5, 0.5]])), 3)
    (-0.0, -0.693)
    """
    return -float(_measure_entropy(check_probabilities(probabilities)).mean())


def score_information_maximisation(probabilities: ArrayLike) -> float:
    """Measure the mutual information of picture and predicted class.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.

    Returns
    -------
    float
        Entropy of the mean prediction minus the mean entropy, 0 to log(n_classes), in nats. It is high if predictions
        are confident and use all classes.

    References
    ----------
    Bridle, Heading and MacKay, 1991. Unsupervised classifiers, mutual information and phantom targets.

    Examples
    --------
    >>> round(score_information_maximisation(np.array([[1.0, 0.0], [0.0, 1.0]])), 3)
    0.693
    >>> score_information_maximisation(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    """
    probabilities = check_probabilities(probabilities)
    whole = _measure_entropy(probabilities.mean(axis=0, keepdims=True))[0]
    return float(whole - _measure_entropy(probabilities).mean())


def score_bnm(probabilities: ArrayLike) -> float:
    """Measure the nuclear norm of the predictions, relative to its maximum.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.

    Returns
    -------
    float
        Above 0 and up to 1. It is high if predictions are confident and diverse.

    Notes
    -----
    The paper divides by the number of pictures; we divide by √(m · min(m, n_classes)), so that the maximum is 1.

    References
    ----------
    Cui et al., 2020. Towards discriminability and diversity: batch nuclear-norm maximization under label insufficient
    situations.

    Examples
    --------
    >>> round(score_bnm(np.eye(3)), 3), round(score_bnm(np.eye(3)[[0, 0, 0]]), 3)
    (1.0, 0.577)
    """
    probabilities = check_probabilities(probabilities)
    n, n_classes = probabilities.shape
    return float(np.linalg.svd(probabilities, compute_uv=False).sum() / np.sqrt(n * min(n, n_classes)))


def score_norm(probabilities: ArrayLike, power: float = 4) -> float:
    """Measure the mean Lp norm of the predictions, which rewards confidence (MaNo).

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.
    power : float, default 4
        The p of the norm.

    Returns
    -------
    float
        At most n_classes ** (-1 / power), if all predictions are certain.

    Notes
    -----
    The paper also replaces softmax for badly calibrated scores; we omit this, as skada does without a deep network. As
    with the entropy, a head that predicts one class for all pictures scores high.

    References
    ----------
    Xie et al., 2024. MaNo: exploiting matrix norm for unsupervised accuracy estimation under distribution shifts.

    Examples
    --------
    >>> round(score_norm(np.eye(4)), 3), round(score_norm(np.full((4, 4), 0.25)), 3)
    (0.707, 0.25)
    """
    return float(np.mean(check_probabilities(probabilities) ** check_number("power", power, above=0)) ** (1 / power))


def score_neighbourhood_density(probabilities: ArrayLike, temperature: float = 0.05) -> float:
    """Measure the mean entropy of the similarities between each prediction and all others.

    Parameters
    ----------
    probabilities : (m, n_classes) array_like
        Predictions for target pictures.
    temperature : float, default 0.05
        Divisor of the cosine similarities before softmax.

    Returns
    -------
    float
        About 0 to log(m - 1), in nats. In dense clusters each picture has many equal neighbours, so the entropy is
        high.

    Notes
    -----
    As in skada, the similarity of a picture to itself is negated rather than omitted.

    References
    ----------
    Saito et al., 2021. Tune it the right way: unsupervised validation of domain adaptation via soft neighborhood
    density.

    Examples
    --------
    >>> clustered = np.eye(3)[np.arange(30) % 3]
    >>> score_neighbourhood_density(clustered) > score_neighbourhood_density(np.eye(30))
    False
    """
    probabilities = check_probabilities(probabilities)
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarities = directions @ directions.T / temperature
    np.fill_diagonal(similarities, -np.diag(similarities))
    shares = np.exp(similarities - similarities.max(axis=1, keepdims=True))
    return float(_measure_entropy(shares / shares.sum(axis=1, keepdims=True)).mean())


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
        If the shapes differ or a score isn't finite.

    Examples
    --------
    >>> round(regret([0.9, 0.7, 0.1], [0.5, 0.6, 0.2]), 3)
    0.1
    """
    scores, accuracies = np.asarray(scores, float), np.asarray(accuracies, float)
    if scores.ndim != 1 or scores.shape != accuracies.shape or not len(scores):
        raise ValueError(f"scores: shape {scores.shape} with accuracies {accuracies.shape}, expected (k,) for both")
    if not np.isfinite(scores).all():
        raise ValueError("scores: some are NaN or infinite, so none is the highest: remove these from both")
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _measure_entropy(probabilities):
    """Return the (m,) entropies in nats of (m, n_classes) probabilities; 0 log 0 is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return 0.0 - (probabilities * logarithms).sum(axis=1)
