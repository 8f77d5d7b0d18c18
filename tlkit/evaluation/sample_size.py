"""How large a study would have to be for a verdict, as far as the runs there are can say. Without torch."""

import math

from tlkit.evaluation.intervals import LEVEL, join_variances, t_quantile, two_way_variances

# Beyond it the answer is "none that anybody would make".
MOST = 1000


def n_seeds_to_tell(paired, margin, *, level=LEVEL):
    """Return with how many seeds the interval would allow a verdict, were gain and spread those that were seen.

    Seeds that each have test pictures of their own, as folds have, bring pictures along. Where all seeds share one test
    set, more of them don't make the pictures any more certain, so no number may do.

    Arguments
    ---------
    paired: PairedGains
    margin: float
        As in `give_verdict`.
    level: float
        Of the interval.

    Returns a float, at least 2; inf where more than `MOST` would be needed, or no number does; NaN where there is one
    seed, or one fold, only. It is a guess, from a gain that is itself uncertain: plan for more.

    >>> import numpy as np
    >>> from tlkit.evaluation.paired_gains import PairedGains
    >>> n_seeds_to_tell(PairedGains(np.array([0.10, -0.02, 0.05, 0.04, -0.03])), 0.02)
    17.0
    """
    half = _half_wanted(paired, margin)
    if paired.differences is not None:
        return _count_of_one_set(paired, half, level, more="seeds")
    values = paired.by_fold
    if len(values) < 2:
        return math.nan
    per_fold = len(paired.gains) / len(values)
    variance = values.var(ddof=1)
    needed = _search(lambda n: t_quantile(level, n - 1) * math.sqrt(variance / n) <= half)
    return needed * per_fold


def n_pictures_to_tell(paired, margin, *, level=LEVEL):
    """Return with how many test pictures the same seeds would allow a verdict, were gain and spread those seen.

    Arguments as in `n_seeds_to_tell`. Returns a float: pictures in groups as large as those there are; inf where no
    number does, since the seeds differ too much; NaN where each seed has pictures of its own.
    """
    if paired.differences is None:
        return math.nan
    return _count_of_one_set(paired, _half_wanted(paired, margin), level, more="pictures")


def _half_wanted(paired, margin):
    """Return the half width at which the interval excludes zero, or lies within the margin."""
    mean = abs(paired.mean)
    return max(mean * (1 - 1e-9), margin - mean)  # at exactly zero it isn't excluded yet


def _count_of_one_set(paired, half, level, *, more):
    n_seeds, n_pictures = paired.differences.shape
    n_groups = len(set(paired.groups))
    if n_seeds < 2 or n_groups < 2:
        return math.nan
    of_seeds, of_groups, both = two_way_variances(paired.differences, paired.groups)

    def suffices(n):
        if more == "seeds":
            parts, fewest = (of_seeds * n_seeds / n, of_groups, both * n_seeds / n), min(n, n_groups)
        else:
            parts, fewest = (of_seeds, of_groups * n_groups / n, both * n_groups / n), min(n_seeds, n)
        return t_quantile(level, fewest - 1) * math.sqrt(join_variances(*parts)) <= half

    if more == "seeds":
        return _search(suffices)
    return _search(suffices, most=MOST * n_groups) * n_pictures / n_groups


def _search(suffices, most=MOST):
    """Return the smallest number of at least 2 that suffices, where all larger ones do too; inf beyond `most`."""
    if not suffices(most):
        return math.inf
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return float(high)
