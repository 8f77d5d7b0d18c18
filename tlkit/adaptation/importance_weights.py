"""Importance weights: pictures of the source count as much as they look like the target. Without torch."""

import numpy as np

from tlkit.arguments import check_count, check_groups, check_pair, check_positive
from tlkit.heads.logistic import solve_logistic
from tlkit.heads.numerics import measure_scale
from tlkit.images.splits import assign_folds

N_FOLDS = 5
L2_PENALTY = 1000.0
LARGEST = 10.0


def weigh_source(
    source, target, source_groups=None, target_groups=None, *, l2_penalty=L2_PENALTY, largest=LARGEST, seed=0
):
    """Return how much denser each picture of the source lies among the target than among the source.

    Shimodaira 2000 (Improving predictive inference under covariate shift by weighting the log-likelihood function), the
    ratio by a classifier of domains (Bickel, Brückner and Scheffer 2007, Discriminative learning for differing training
    and test distributions). Each picture is judged by a classifier that didn't learn from its group, else all ratios
    would be near 0; ratios are cut at `largest` times their mean, since a few pictures would be all there is otherwise.
    Weights help where the domains overlap and differ in how much there is of what; they can't move a picture.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    source_groups: (n,), optional
    target_groups: (m,), optional
    l2_penalty: float
        Of the penalty of the classifier, as in `fit_logistic`; it is strong, since ratios of a weak one are all or
        nothing.
    largest: float
        At least 1.
    seed: int
        Of the folds.

    Returns (n,) float64 with mean 1. Raises TypeError or ValueError for what can't be features of two domains, and for
    fewer than two groups.

    >>> source = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> target = np.repeat([[0.0], [1.0]], [10, 90], axis=0)
    >>> weights = weigh_source(source, target, l2_penalty=1e-3)
    >>> (weights[:50].mean() / weights.mean()).round(1), (weights[50:].mean() / weights.mean()).round(1)
    (np.float64(0.2), np.float64(1.8))
    """
    source, target = check_pair(source, target)
    l2_penalty, seed = check_positive("l2_penalty", l2_penalty), check_count("seed", seed, 0)
    if not largest >= 1:
        raise ValueError(f"largest: {largest!r}, expected a number of at least 1, the mean of all weights")
    grouped = source_groups is not None
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    values = np.concatenate([source, target])
    values = values / measure_scale(values)
    is_target = np.repeat([0, 1], [len(source), len(target)])
    n_folds = min(N_FOLDS, len(np.unique(groups)), len(source), len(target))
    folds = assign_folds(is_target, groups if grouped else None, n_folds, seed)
    ratios = np.empty(len(source))
    for fold in np.unique(folds):
        learned, judged = folds != fold, folds[: len(source)] == fold
        n_source, n_target = np.bincount(is_target[learned], minlength=2)
        if not (n_source and n_target):
            raise ValueError(
                f"source_groups: outside fold {fold + 1} of {n_folds} all pictures are of one domain, so that nothing "
                "tells them apart: take another seed, more pictures or smaller groups"
            )
        weight, bias = solve_logistic(values[learned], is_target[learned], l2_penalty=l2_penalty)
        scores = values[: len(source)][judged] @ (weight[1] - weight[0]) + bias[1] - bias[0]
        ratios[judged] = np.exp(np.clip(scores, -30, 30)) * n_source / n_target
    # Where some ratios are cut the mean falls, and with it where they are to be cut.
    for _ in range(100):
        before, ratios = ratios, np.minimum(ratios, largest * ratios.mean())
        if np.array_equal(before, ratios):
            break
    return ratios / ratios.mean()
