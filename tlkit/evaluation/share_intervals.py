"""Intervals of shares and of resampled values, and names of intervals. Without torch."""

import math

import numpy as np

from tlkit.evaluation.intervals import LEVEL

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
