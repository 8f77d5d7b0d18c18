"""Transfer gains with their intervals, the verdicts these allow, and the runs that a verdict needs. Without torch."""

import bisect
import math

import pandas as pd

from tlkit.arguments import check_columns
from tlkit.evaluation.intervals import LEVEL, join_variances, t_quantile, two_way_variances
from tlkit.evaluation.paired_gains import pair_arms

MARGIN = 0.02
VERDICTS = ("helps", "harms", "no difference that matters", "can't tell")
CANNOT_TELL = VERDICTS[-1]
_RUN_COLUMNS = {"strategy", "shots", "seed", "fold", "accuracy"}
_GAIN_COLUMNS = [
    *("strategy", "shots", "baseline", "gain", "gain_low", "gain_high", "n_seeds", "verdict"),
    *("n_seeds_to_tell", "n_pictures_to_tell"),
]


def give_verdict(low, high, margin=MARGIN):
    """Return one of `VERDICTS` for the interval of a transfer gain; NaN as ends if there is no interval."""
    # The sign comes first: a gain of 0.01 whose interval excludes zero helps, however small it is. An interval around
    # zero is evidence of no difference only if it lies within the margin. NaN compares as False throughout.
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    return "no difference that matters" if -margin <= low and high <= margin else CANNOT_TELL


def transfer_gain(
    runs: pd.DataFrame,
    predictions: pd.DataFrame | None = None,
    baseline: str = "from_scratch",
    *,
    simultaneous: bool = True,
) -> pd.DataFrame:
    """Compare the accuracy of each arm with a baseline, paired by seed.

    Parameters
    ----------
    runs : DataFrame
        One row per run, with the columns strategy, shots, seed, fold, accuracy.
    predictions : DataFrame, optional
        One row per run and test picture, as in `Comparison.predictions`. Required if all seeds test one fold.
    baseline : str, default "from_scratch"
        The strategy that the others are compared with.
    simultaneous : bool, default True
        Make all m intervals of the table hold together in 95 % of studies (Bonferroni: each holds in 1 - 5 % / m). If
        False, each holds in 95 % on its own, which suits a single comparison that was chosen in advance.

    Returns
    -------
    DataFrame
        One row per strategy and number of shots, without the baseline, in the order of `runs`; with the columns:

        - strategy, shots, baseline (str, int, str): the arm and its baseline.
        - gain (float): mean difference of the accuracies.
        - gain_low, gain_high (float): its confidence interval, NaN with fewer than two seeds or folds.
        - n_seeds (int): number of paired seeds.
        - verdict (str): "helps", "harms", "no difference that matters" or "can't tell".
        - n_seeds_to_tell (float): seeds that would settle "can't tell" if gain and spread stay the same, else NaN.
        - n_pictures_to_tell (float): the same for test pictures, if all seeds share them.

    Raises
    ------
    ValueError
        If a column or the baseline is missing, or an interval needs `predictions`.

    Notes
    -----
    Never mix gains over different baselines: a pretrained network gains over random weights ("from_scratch"), a source
    over the target's pictures alone ("target_only"), and adaptation over the source alone ("source_only").

    If each seed is tested on a fold of its own, the interval is Student's t over seeds. If seeds share test pictures, a
    hard picture is hard for all of them, and the interval takes both seeds and groups of pictures into account. This
    needs `predictions`; without them, the interval is Student's t over the means of folds, which are few.

    References
    ----------
    Wang et al. 2019, Characterizing and avoiding negative transfer.
    Cameron, Gelbach and Miller 2011, Robust inference with multiway clustering.

    Examples
    --------
    >>> rows = [("from_scratch", 5, s, s, 0.2 + 0.01 * s) for s in range(5)]
    >>> rows += [("linear_probe", 5, s, s, 0.4 + 0.02 * s) for s in range(5)]
    >>> runs = pd.DataFrame(rows, columns=["strategy", "shots", "seed", "fold", "accuracy"])
    >>> transfer_gain(runs)[["strategy", "gain", "gain_low", "verdict"]].round(2).values.tolist()
    [['linear_probe', 0.22, 0.2, 'helps']]
    """
    check_columns("runs", runs, _RUN_COLUMNS)
    if baseline not in set(runs["strategy"]):
        raise ValueError(f"baseline: {baseline!r} is not among the runs, which have {sorted(set(runs['strategy']))}")
    cells = runs[["strategy", "shots"]].drop_duplicates().itertuples(index=False, name=None)
    cells = [(strategy, shots) for strategy, shots in cells if strategy != baseline]
    level = 1 - (1 - LEVEL) / len(cells) if simultaneous and cells else LEVEL
    return list_gains(runs, predictions, baseline, cells, level)


def list_gains(runs, predictions, baseline, cells, level):
    """Return the gains of cells (strategy, shots), each with an interval of its own level, as `transfer_gain` does."""
    rows = []
    for strategy, shots in cells:
        paired = pair_arms(runs, predictions, strategy, baseline, shots)
        low, high = paired.interval(level)
        verdict = give_verdict(low, high)
        needed = math.nan, math.nan
        if verdict == CANNOT_TELL:
            needed = tuple(count(paired, MARGIN, level=level) for count in (n_seeds_to_tell, n_pictures_to_tell))
        rows.append((strategy, shots, baseline, paired.mean, low, high, len(paired.gains), verdict, *needed))
    return pd.DataFrame(rows, columns=_GAIN_COLUMNS)


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
    found = bisect.bisect_left(range(highest + 1), True, lo=2, key=suffices)
    return math.inf if found > highest else float(found)
