"""Distances between the two sides of many divisions of the same pictures at once. Without torch.

A permutation test needs the distance for hundreds of divisions of the same pictures. Products of pictures and kernels
don't depend on the division and are computed once. A single distance is the case of one division.
"""

import numpy as np

from tlkit.heads.numerics import measure_scale

KERNELS = ("gaussian", "laplace", "multi", "linear")
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the bandwidth, for the kernel "multi"
N_FOLDS = 5
_L2_PENALTY = 0.1  # per picture, of the domain classifier on features whose standard deviation is 1


def measure_mmd(values, sides, kernel, bandwidth):
    """Return (k,) unbiased squared MMDs of (n, d) features for (n, k) bool sides, True for the target's side."""
    products = compute_kernel(values, kernel, bandwidth)
    np.fill_diagonal(products, 0.0)  # no picture is compared with itself, so the estimate is unbiased
    target = sides.astype(np.float64)
    n_target = target.sum(axis=0)
    n_source = len(target) - n_target
    with_target = products @ target
    within_target = (target * with_target).sum(axis=0)
    across = with_target.sum(axis=0) - within_target
    within_source = products.sum() - within_target - 2 * across
    return (
        within_source / (n_source * (n_source - 1))
        + within_target / (n_target * (n_target - 1))
        - 2 * across / (n_source * n_target)
    )


def compute_kernel(values, kernel, bandwidth):
    """Return the (n, n) kernel matrix of (n, d) features; without a bandwidth, it is the median distance."""
    values = values - values.mean(axis=0)  # changes neither distances nor MMD², and products lose fewer digits
    products = values @ values.T
    if kernel == "linear":
        return products
    squares = np.diag(products)
    distances = np.maximum(squares[:, None] + squares - 2 * products, 0.0)
    if bandwidth is None:
        above_diagonal = distances[np.triu_indices(len(distances), 1)]
        bandwidth = float(np.median(np.sqrt(above_diagonal))) or 1.0
    if kernel == "laplace":
        return np.exp(-np.sqrt(distances) / bandwidth)
    factors = _FACTORS if kernel == "multi" else (1.0,)
    return sum(np.exp(distances / (-2 * (factor * bandwidth) ** 2)) for factor in factors)


def measure_coral(values, sides):
    """Return (k,) CORAL distances of (n, d) features for (n, k) bool sides, True for the target's side."""
    n, d = values.shape
    values = values - values.mean(axis=0)
    products = values @ values.T if n <= d else None
    distances = []
    for is_target in sides.T:
        if products is None:
            difference = np.cov(values[~is_target].T) - np.cov(values[is_target].T)
            distances.append(np.sum(difference**2))
        else:
            distances.append(_compare_covariances(products, is_target))
    return np.array(distances) / (4 * d**2)


def _compare_covariances(products, is_target):
    """Return the squared distance of two covariances from the (n, n) products of pictures, if n <= d."""
    # ‖Cs − Ct‖² = ‖Cs‖² + ‖Ct‖² − 2⟨Cs, Ct⟩, and each term is the squared norm of a block of centred products.
    source, target = np.flatnonzero(~is_target), np.flatnonzero(is_target)

    def relate(rows, columns):
        block = products[np.ix_(rows, columns)]
        block = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
        return np.sum(block**2) / ((len(rows) - 1) * (len(columns) - 1))

    return relate(source, source) + relate(target, target) - 2 * relate(source, target)


def measure_proxy_a(values, sides, groups, seed):
    """Return (k,) proxy A-distances of (n, d) features in (n,) groups for (n, k) bool sides, True for the target's."""
    # The folds don't depend on the division; otherwise each division would be tested on different folds.
    n = len(values)
    folds = _assign_groups(groups, seed)
    values = values / measure_scale(values)
    values = values - values.mean(axis=0)
    products = values @ values.T  # all that ridge regression in its dual form needs
    scores = np.empty(sides.shape)
    for fold in np.unique(folds):
        training, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        target = sides[training].astype(np.float64)
        n_target = target.sum(axis=0)
        if not ((n_target > 0) & (n_target < len(training))).all():
            raise ValueError(f"groups: {describe_single_domain(fold, folds.max() + 1)}")
        means = products[:, training].mean(axis=1, keepdims=True)
        centred = products - means - means.T + products[np.ix_(training, training)].mean()
        ridge = centred[np.ix_(training, training)] + _L2_PENALTY * len(training) * np.eye(len(training))
        dual = np.linalg.solve(ridge, target - target.mean(axis=0))
        fitted = centred[:, training] @ dual  # (n, k)
        # Least squares puts its threshold nearer to the smaller domain; halfway between both means it favours neither.
        middle = (target * fitted[training]).sum(axis=0) / n_target
        middle = middle + ((1 - target) * fitted[training]).sum(axis=0) / (len(training) - n_target)
        scores[held_out] = fitted[held_out] - middle / 2
    wrong = (scores > 0) != sides
    n_target = sides.sum(axis=0)
    errors = (wrong & sides).sum(axis=0) / n_target + (wrong & ~sides).sum(axis=0) / (n - n_target)
    return 2 * (1 - errors)  # the error is half of this sum


def _assign_groups(groups, seed):
    """Return the (n,) int fold of each picture: groups in random order, each to the fold with fewest pictures."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    n_folds = min(N_FOLDS, len(sizes))
    if n_folds < 2:
        raise ValueError("groups: all pictures are of one group, expected two or more for training and testing")
    filled, fold_of = np.zeros(n_folds, np.int64), np.empty(len(sizes), np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[numbers]


def describe_single_domain(fold, n_folds):
    """Return the message for a fold without which all pictures belong to one domain."""
    return (
        f"outside fold {fold + 1} of {n_folds} all pictures are of one domain, so a classifier can't learn to separate "
        "domains: use another seed, more pictures or smaller groups"
    )
