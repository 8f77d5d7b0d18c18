"""Importance weights: source pictures count more if they resemble the target. Without torch."""

import math

import numpy as np

from tlkit.adaptation.split_distances import N_FOLDS, describe_single_domain
from tlkit.arguments import check_count, check_number
from tlkit.features.arrays import check_groups, check_pair
from tlkit.heads.logistic import solve_logistic
from tlkit.heads.numerics import measure_scale
from tlkit.images.splits import assign_folds

L2_PENALTY = 1000.0
CLIPPING_THRESHOLD = 10.0


def weigh_source(
    source,
    target,
    source_groups=None,
    target_groups=None,
    *,
    l2_penalty=L2_PENALTY,
    clipping_threshold=CLIPPING_THRESHOLD,
    seed=0,
):
    """Return the (n,) density ratios of target to source for each source picture, clipped, with mean 1."""
    # Shimodaira 2000 (Improving predictive inference under covariate shift by weighting the log-likelihood function). A
    # classifier of domains gives the ratio (Bickel, Brückner and Scheffer 2007). It is cross-fitted: it never learns
    # from the group that it scores, otherwise all ratios would be near 0. With a weak penalty they become all or
    # nothing.
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
