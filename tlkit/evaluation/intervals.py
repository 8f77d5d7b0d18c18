"""Confidence intervals of means and shares. Without torch."""

import math

import numpy as np

LEVEL = 0.95


def t_interval(values, *, level=LEVEL):
    """Return Student's t interval (low, high) of the mean of (n,) values; NaN if there are fewer than two."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    return _extend(values.mean(), values.var(ddof=1) / len(values), len(values) - 1, level)


def two_way_interval(differences, groups, *, level=LEVEL):
    """Return (low, high) of the mean of (n_seeds, n_pictures) paired differences; NaN without two seeds and groups."""
    # Every seed was tested on the same pictures, so both seeds and groups of pictures are samples. Cells are NaN if a
    # seed was not tested on a picture; each seed has the same weight. We take the degrees of freedom of the rarer.
    n_seeds, n_groups = len(differences), len(np.unique(groups))
    if n_seeds < 2 or n_groups < 2:
        return np.nan, np.nan
    variance = join_variances(*two_way_variances(differences, groups))
    mean = np.nanmean(differences, axis=1).mean()
    return _extend(mean, variance, min(n_seeds, n_groups) - 1, level)


def two_way_variances(differences, groups):
    """Return the variance of a mean difference due to seeds, to groups of pictures, and to their intersections."""
    # Cameron, Gelbach and Miller 2011 (Robust inference with multiway clustering): the deviations from the mean are
    # summed within each cluster, then squared and added up; n / (n - 1) corrects for few clusters. Clusters are seeds,
    # groups, and cells (one seed on one group). `join_variances` subtracts the third, which both others contain.
    differences = np.asarray(differences, dtype=float)
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    membership = np.eye(len(names))[numbers]
    tested = ~np.isnan(differences)
    weights = 1 / (len(differences) * tested.sum(axis=1, keepdims=True))
    mean = np.nanmean(differences, axis=1).mean()
    cells = np.where(tested, (differences - mean) * weights, 0.0) @ membership
    clusters = (
        (cells.sum(axis=1), cells.shape[0]),
        (cells.sum(axis=0), cells.shape[1]),
        (cells, np.count_nonzero(tested @ membership)),
    )
    return tuple((sums**2).sum() * n / (n - 1) for sums, n in clusters)


def join_variances(seed_variance, group_variance, cell_variance):
    """Return the variance of the mean from its parts; never less than the larger of the first two."""
    return max(seed_variance + group_variance - cell_variance, seed_variance, group_variance)


def t_quantile(level, n_degrees):
    """Return the half width of a t interval in standard errors."""
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, n_degrees))


def _extend(mean, variance, n_degrees, level):
    """Return the t interval (low, high) around a mean with a variance."""
    half_width = t_quantile(level, n_degrees) * np.sqrt(variance)
    return float(mean - half_width), float(mean + half_width)


_STANDARD_ERRORS = 1.96  # to each side of a 95 % interval of the normal distribution


def wilson_interval(n_right, n, *, level=LEVEL):
    """Return Wilson's interval (low, high) of a share, as if each picture were drawn independently."""
    # Wilson 1927 (Probable inference, the law of succession, and statistical inference).
    from scipy.stats import binomtest

    interval = binomtest(n_right, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def normal_half_width(share, n):
    """Return the half width of the 95 % interval of a share of n pictures, by the normal approximation."""
    return _STANDARD_ERRORS * math.sqrt(share * (1 - share) / n)


def percentile_interval(values, *, level=LEVEL):
    """Return (low, high) that hold the middle share of (n,) resampled values; NaN if a value is not finite."""
    if not np.isfinite(values).all():
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def name_interval(name, values):
    """Return the percentile interval of (n,) resampled values as {name_low: low, name_high: high}."""
    low, high = percentile_interval(values)
    return {f"{name}_low": low, f"{name}_high": high}
