"""Importance weights: source pictures count more if they resemble the target. Without torch."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.split_distances import N_FOLDS, describe_single_domain
from tlkit.arguments import check_count, check_number
from tlkit.features.arrays import check_groups, check_pair
from tlkit.heads.logistic import solve_logistic
from tlkit.heads.numerics import measure_scale
from tlkit.images.splits import assign_folds

L2_PENALTY = 1000.0
CLIPPING_THRESHOLD = 10.0


def weigh_source(
    source: ArrayLike,
    target: ArrayLike,
    source_groups: ArrayLike | None = None,
    target_groups: ArrayLike | None = None,
    *,
    l2_penalty: float = L2_PENALTY,
    clipping_threshold: float = CLIPPING_THRESHOLD,
    seed: int = 0,
) -> np.ndarray:
    """Estimate the density ratio of target to source for each source picture.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    source_groups, target_groups : (n,) and (m,) array_like, optional
        Groups of pictures that are never split between folds. By default each picture is its own group.
    l2_penalty : float, default 1000.0
        L2 penalty of the domain classifier, as in `fit_logistic`. With a weak penalty the ratios become all or nothing.
    clipping_threshold : float, default 10.0
        Ratios are clipped at this multiple of their mean, at least 1, so that no few pictures dominate.
    seed : int, default 0
        Seed of the folds.

    Returns
    -------
    (n,) float64 array
        Weights with mean 1.

    Raises
    ------
    TypeError, ValueError
        If the features or settings are invalid, or if there are fewer than two groups.

    Notes
    -----
    A classifier of domains gives the ratio (second paper). It is cross-fitted: it never learns from the group that it
    scores, otherwise all ratios would be near 0. Weights help if the domains overlap and contain the same kinds of
    pictures in different amounts; they can't move a picture.

    References
    ----------
    Shimodaira, 2000. Improving predictive inference under covariate shift by weighting the log-likelihood function.
    Bickel, Brückner and Scheffer, 2007. Discriminative learning for differing training and test distributions.

    Examples
    --------
    >>> source = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> target = np.repeat([[0.0], [1.0]], [10, 90], axis=0)
    >>> weights = weigh_source(source, target, l2_penalty=1e-3)
    >>> (weights[:50].mean() / weights.mean()).round(1), (weights[50:].mean() / weights.mean()).round(1)
    (np.float64(0.2), np.float64(1.8))
    """
    source, target = check_pair(source, target)
    l2_penalty, seed = check_number("l2_penalty", l2_penalty, above=0), check_count("seed", seed, 0)
    hint = " (1 is the mean of all weights)"
    check_number("clipping_threshold", clipping_threshold, at_least=1, at_most=math.inf, hint=hint)
    grouped = source_groups is not None
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    values = np.concatenate([source, target])
    values = values / measure_scale(values)
    is_target = np.repeat([0, 1], [len(source), len(target)])
    n_folds = min(N_FOLDS, len(np.unique(groups)), len(source), len(target))
    folds = assign_folds(is_target, groups if grouped else None, n_folds, seed)
    ratios = np.empty(len(source))
    for fold in np.unique(folds):
        training, held_out = folds != fold, folds[: len(source)] == fold
        n_source, n_target = np.bincount(is_target[training], minlength=2)
        if not (n_source and n_target):
            raise ValueError(f"source_groups: {describe_single_domain(fold, n_folds)}")
        weight, bias = solve_logistic(values[training], is_target[training], l2_penalty=l2_penalty)
        scores = values[: len(source)][held_out] @ (weight[1] - weight[0]) + bias[1] - bias[0]
        ratios[held_out] = np.exp(np.clip(scores, -30, 30)) * n_source / n_target
    # Clipping lowers the mean of the ratios, and so the threshold itself: repeat until nothing changes.
    for _ in range(100):
        before, ratios = ratios, np.minimum(ratios, clipping_threshold * ratios.mean())
        if np.array_equal(before, ratios):
            break
    return ratios / ratios.mean()
