"""Confidence intervals for means: over seeds, and over seeds and groups of pictures. Without torch."""

import numpy as np

LEVEL = 0.95


def t_interval(values):
    """Return (low, high) of the mean of (n,) values at 95 %, by Student's t; NaN where there are fewer than two.

    >>> low, high = t_interval([0.1, 0.2, 0.3])
    >>> round(low, 3), round(high, 3)
    (-0.048, 0.448)
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    return _around(values.mean(), values.var(ddof=1) / len(values), len(values) - 1)


def two_way_interval(differences, groups):
    """Return (low, high) of a mean difference on one test set that several seeds share, at 95 %.

    Seeds differ in training and test pictures in difficulty, and both would come out otherwise in another study. The
    variance is that of seeds, plus that of groups of pictures, less what both hold (Cameron, Gelbach and Miller 2011,
    Robust inference with multiway clustering), and never less than the larger of the two; the degrees of freedom are
    those of the rarer.

    Arguments
    ---------
    differences: (n_seeds, n_pictures)
        For each seed and picture: right (1) or wrong (0) with one arm, minus the same with the other.
    groups: (n_pictures,)
        Pictures of one group count as one draw.

    NaN where there are fewer than two seeds or groups.
    """
    differences = np.asarray(differences, dtype=float)
    n_seeds = len(differences)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    n_groups = numbers.max() + 1
    if n_seeds < 2 or n_groups < 2:
        return np.nan, np.nan
    mean = differences.mean()
    membership = np.eye(n_groups)[numbers]
    # Summed deviations of each seed and group, as shares of the whole mean.
    cells = (differences - mean) @ membership / differences.size
    by_seed, by_group = cells.sum(axis=1), cells.sum(axis=0)
    seed_variance = (by_seed**2).sum() * n_seeds / (n_seeds - 1)
    group_variance = (by_group**2).sum() * n_groups / (n_groups - 1)
    both = (cells**2).sum() * cells.size / (cells.size - 1)
    variance = max(seed_variance + group_variance - both, seed_variance, group_variance)
    return _around(mean, variance, min(n_seeds, n_groups) - 1)


def _around(mean, variance, n_degrees):
    from scipy.stats import t

    half = t.ppf((1 + LEVEL) / 2, n_degrees) * np.sqrt(variance)
    return float(mean - half), float(mean + half)
