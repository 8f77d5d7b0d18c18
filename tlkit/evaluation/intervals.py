"""Confidence intervals of means: over seeds, and over seeds and groups of pictures. Without torch."""

import numpy as np

LEVEL = 0.95


def t_interval(values, *, level=LEVEL):
    """Return (low, high) of the mean of (n,) values, by Student's t; NaN where there are fewer than two.

    `level` is how often it holds the true mean (above 0 and below 1).

    >>> low, high = t_interval([0.1, 0.2, 0.3])
    >>> round(low, 3), round(high, 3)
    (-0.048, 0.448)
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    return _around(values.mean(), values.var(ddof=1) / len(values), len(values) - 1, level)


def two_way_interval(differences, groups, *, level=LEVEL):
    """Return (low, high) of a mean difference, where several seeds were tested on the same pictures.

    Seeds differ in training and test pictures in difficulty, and both would come out otherwise in another study. The
    variance is that of seeds, plus that of groups of pictures, less what both hold (Cameron, Gelbach and Miller 2011,
    Robust inference with multiway clustering), and never less than the larger of the two; the degrees of freedom are
    those of the rarer.

    Arguments
    ---------
    differences: (n_seeds, n_pictures)
        For each seed and picture: right (1) or wrong (0) with one arm, minus the same with the other; NaN for pictures
        that a seed wasn't tested on. Seeds count the same, however many pictures they have.
    groups: (n_pictures,)
        Pictures of one group count as one draw.
    level: float
        How often it holds the true mean, above 0 and below 1.

    NaN where there are fewer than two seeds or groups.
    """
    n_seeds, n_groups = len(differences), len(np.unique(groups))
    if n_seeds < 2 or n_groups < 2:
        return np.nan, np.nan
    variance = join_variances(*two_way_variances(differences, groups))
    mean = np.nanmean(differences, axis=1).mean()
    return _around(mean, variance, min(n_seeds, n_groups) - 1, level)


def two_way_variances(differences, groups):
    """Return what the variance of a mean difference is made of: that of seeds, of groups, and what both hold.

    Arguments
    ---------
    differences, groups
        As in `two_way_interval`, of two seeds and two groups or more.
    """
    differences = np.asarray(differences, dtype=float)
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    membership = np.eye(len(names))[numbers]
    tested = ~np.isnan(differences)
    # Summed deviations of each seed and group, as shares of the whole mean.
    shares = 1 / (len(differences) * tested.sum(axis=1, keepdims=True))
    mean = np.nanmean(differences, axis=1).mean()
    cells = np.where(tested, (differences - mean) * shares, 0.0) @ membership
    n_cells = np.count_nonzero(tested @ membership)
    return tuple(_sum_squares(parts, n) for parts, n in _list_clusters(cells, n_cells))


def _list_clusters(cells, n_cells):
    n_seeds, n_groups = cells.shape
    return (cells.sum(axis=1), n_seeds), (cells.sum(axis=0), n_groups), (cells, n_cells)


def _sum_squares(parts, n_clusters):
    return (parts**2).sum() * n_clusters / (n_clusters - 1)


def join_variances(seed_variance, group_variance, both):
    """Return the variance of the mean from the parts that `two_way_variances` gives."""
    return max(seed_variance + group_variance - both, seed_variance, group_variance)


def _around(mean, variance, n_degrees, level):
    half = t_quantile(level, n_degrees) * np.sqrt(variance)
    return float(mean - half), float(mean + half)


def t_quantile(level, n_degrees):
    """Return how many standard errors an interval reaches to each side, by Student's t.

    >>> round(t_quantile(0.95, 4), 2)
    2.78
    """
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, n_degrees))
