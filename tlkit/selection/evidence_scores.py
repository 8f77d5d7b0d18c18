"""LogME and H-score: how well features explain classes, without held-out pictures. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.heads.numerics import limit_threads
from tlkit.selection.score_warnings import check_values, warn_of_width


def score_logme(values: ArrayLike, labels: ArrayLike) -> float:
    """Measure LogME: the log evidence per picture of a Bayesian linear model of the classes.

    Parameters
    ----------
    values, labels : (n, d) array_like and (n,) int or str array_like
        Features, and labels of two classes or more.

    Returns
    -------
    float
        The mean over classes, each with its own fitted priors.

    Raises
    ------
    TypeError, ValueError
        If the features or labels are invalid.

    Warns
    -----
    SelectionWarning
        If there are fewer pictures than features.

    Notes
    -----
    We use one singular value decomposition for all classes and the fixed point of the second paper. Departures: the
    determinant counts all features, as the formula does; we iterate until the evidence changes by less than 1e-10, not
    11 times; and the noise stays above 1e-10 of the labels' squares.

    References
    ----------
    You, Liu, Wang and Long, 2021. LogME: practical assessment of pre-trained models for transfer learning.
    You et al., 2022. Ranking and tuning pre-trained models.

    Examples
    --------
    >>> labels = np.arange(40) % 2
    >>> good = np.column_stack([labels, np.sin(np.arange(40))])
    >>> score_logme(good, labels) > score_logme(np.cos(good * 40), labels)
    True
    """
    from scipy.linalg import svd

    values, labels, n_classes = check_values(values, labels)
    warn_of_width(values)
    n, d = values.shape
    targets = np.eye(n_classes)[labels]
    with limit_threads(values):
        left, singular, _ = svd(values, full_matrices=False, check_finite=False)
    kept = singular > singular[0] * np.finfo(float).eps * max(n, d)
    sigma = singular[kept, None] ** 2  # (k, 1)
    squares = (left[:, kept].T @ targets) ** 2  # (k, n_classes): squared projections of each class
    total = targets.sum(axis=0)
    outside = np.maximum(total - squares.sum(axis=0), 0)
    # Fixed point of the precisions of weights (alpha) and noise (beta); gamma counts determined directions.
    alpha, beta = np.ones(n_classes), np.ones(n_classes)
    evidence = np.full(n_classes, -np.inf)
    for _ in range(1000):
        ratio = alpha / beta
        gamma = (sigma / (sigma + ratio)).sum(axis=0)
        weights = (sigma * squares / (sigma + ratio) ** 2).sum(axis=0)
        noise = (squares * (ratio / (sigma + ratio)) ** 2).sum(axis=0) + outside
        noise, weights = np.maximum(noise, 1e-10 * total), np.maximum(weights, np.finfo(float).tiny)
        alpha, beta = gamma / weights, (n - gamma) / noise
        # The determinant and both sums of squares belong to the same weights, which are those of `ratio`.
        determinant = np.log(alpha + beta * sigma).sum(axis=0) + (d - len(sigma)) * np.log(alpha)
        before, evidence = (
            evidence,
            (d * np.log(alpha) + n * np.log(beta / (2 * np.pi)) - determinant - beta * noise - alpha * weights)
            / (2 * n),
        )
        if np.abs(evidence - before).max() < 1e-10:
            break
    return float(evidence.mean())


def score_h(values: ArrayLike, labels: ArrayLike) -> float:
    """Measure the H-score: the between-class share of the whitened features' variance, with shrinkage.

    Parameters
    ----------
    values, labels : (n, d) array_like and (n,) array_like
        Features and labels; errors and warnings are those of `score_logme`.

    Returns
    -------
    float
        0 to the number of classes minus 1.

    Notes
    -----
    The score is tr(C⁻¹ (1 - a) B), with C the shrunk covariance, a the shrinkage of Ledoit and Wolf, 2004, and B the
    covariance of the class means. We divide both covariances by n; the code of the second paper divides one by n - 1.

    References
    ----------
    Bao et al., 2019. An information-theoretic approach to transferability in task transfer learning.
    Ibrahim, Ponomareva and Mazumder, 2021. Newer is not always better.

    Examples
    --------
    >>> labels = np.arange(40) % 2
    >>> 0.5 < score_h(np.column_stack([labels, np.sin(np.arange(40))]), labels) < 1
    True
    """
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    values, labels, n_classes = check_values(values, labels)
    warn_of_width(values)
    values = values - values.mean(axis=0)
    with limit_threads(values):
        covariance, shrinkage = ledoit_wolf(values, assume_centered=True)
    counts = np.bincount(labels)
    means = np.eye(n_classes)[labels].T @ values / counts[:, None]  # (n_classes, d)
    # The trace of C⁻¹B without forming B: it is the sum of products of the weighted means.
    between = means * np.sqrt(counts / len(labels))[:, None]
    with limit_threads(values):
        whitened = cho_solve(cho_factor(covariance), between.T)
    return float((1 - shrinkage) * np.sum(between.T * whitened))
