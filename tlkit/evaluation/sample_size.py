"""How many seeds or test pictures a verdict would need, estimated from the runs at hand. Without torch."""

import math

from tlkit.evaluation.intervals import LEVEL, join_variances, t_quantile, two_way_variances

# More seeds, or more times the pictures, than anybody would run: the estimate is then infinite.
MAX_COUNT = 1000


def n_seeds_to_tell(paired, margin, *, level=LEVEL):
    """Return the number of seeds (float) at which `PairedGains` would allow a verdict, if gain and spread stay."""
    # If seeds have test pictures of their own, as folds have, each seed adds pictures. If all seeds share one test set,
    # more seeds leave the uncertainty due to the pictures, so no number may suffice: the result is then infinite. It is
    # NaN for a single seed or fold. The gain itself is uncertain, so this is a guess.
    half_width = _find_half_width(paired, margin)
    if paired.differences is not None:
        return _count_for_shared_pictures(paired, half_width, level, "seeds")
    values = paired.by_fold
    if len(values) < 2:
        return math.nan
    n_per_fold = len(paired.gains) / len(values)
    variance = values.var(ddof=1)
    return n_per_fold * _search(lambda n: t_quantile(level, n - 1) * math.sqrt(variance / n) <= half_width)


def n_pictures_to_tell(paired, margin, *, level=LEVEL):
    """Return the number of test pictures (float) that a verdict needs; NaN if each seed has pictures of its own."""
    # Groups keep their size. Infinite if the seeds alone differ too much.
    if paired.differences is None:
        return math.nan
    return _count_for_shared_pictures(paired, _find_half_width(paired, margin), level, "pictures")


def _find_half_width(paired, margin):
    """Return the half width at which the interval excludes zero, or lies within the margin."""
    mean = abs(paired.mean)
    return max(mean * (1 - 1e-9), margin - mean)  # an interval that ends exactly at zero does not exclude it


def _count_for_shared_pictures(paired, half_width, level, more):
    """Return the number of seeds or pictures that shrinks the two-way interval to a half width."""
    n_seeds, n_pictures = paired.differences.shape
    n_groups = len(set(paired.groups))
    if n_seeds < 2 or n_groups < 2:
        return math.nan
    of_seeds, of_groups, of_cells = two_way_variances(paired.differences, paired.groups)

    def suffices(n):
        if more == "seeds":
            parts, n_rarer = (of_seeds * n_seeds / n, of_groups, of_cells * n_seeds / n), min(n, n_groups)
        else:
            parts, n_rarer = (of_seeds, of_groups * n_groups / n, of_cells * n_groups / n), min(n_seeds, n)
        return t_quantile(level, n_rarer - 1) * math.sqrt(join_variances(*parts)) <= half_width

    if more == "seeds":
        return _search(suffices)
    return _search(suffices, MAX_COUNT * n_groups) * n_pictures / n_groups


def _search(suffices, highest=MAX_COUNT):
    """Return the smallest number from 2 that suffices, as all larger ones do; inf if `highest` does not."""
    if not suffices(highest):
        return math.inf
    low, high = 1, highest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return float(high)
