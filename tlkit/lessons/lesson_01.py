"""Exercises of lesson 01: pictures that few shots give, the interval of a gain."""

import numpy as np

from tlkit.evaluation.gains import transfer_gain
from tlkit.lessons.exercise import Check, exercise


@exercise("01_pictures", "a whole number")
def _check_pictures(answer, *, train, shots):
    """Number of pictures that so many shots give, where some classes have fewer."""
    if isinstance(answer, bool) or not isinstance(answer, (int, np.integer)):
        return Check(False, f"a number of pictures is a whole number, and this is a {type(answer).__name__}.")
    counts = np.bincount(train.labels, minlength=len(train.classes))
    right = int(np.minimum(counts, shots).sum())
    if answer == right:
        return Check(True, f"{right} pictures, {shots * len(train.classes) - right} fewer than {shots} of each class.")
    if answer == shots * len(train.classes):
        return Check(
            False, f"so many it would be if each class had {shots} pictures; np.bincount(train.labels) counts."
        )
    if answer == len(train):
        return Check(False, f"that is every training picture; of a class that has more, {shots} are drawn.")
    return Check(
        False, f"a class gives {shots} pictures or, if it has fewer, all it has: add these up over the classes."
    )


@exercise("01_interval", "a pair of numbers, low and high,")
def _check_interval(answer, *, comparison, strategy, shots):
    """95 % interval of one transfer gain by itself, from the runs."""
    try:
        low, high = (float(value) for value in answer)
    except (TypeError, ValueError):
        return Check(False, f"an interval is a pair of numbers, (low, high), and this is {answer!r}.")
    table = comparison.table
    row = table[(table["strategy"] == strategy) & (table["shots"] == shots)].iloc[0]
    alone = transfer_gain(comparison.runs, comparison.predictions, comparison.baseline, simultaneous=False)
    alone = alone[(alone["strategy"] == strategy) & (alone["shots"] == shots)].iloc[0]
    n_gains = (table["strategy"] != comparison.baseline).sum()
    if np.allclose((low, high), (alone["gain_low"], alone["gain_high"]), atol=1e-3):
        return Check(
            True,
            f"the interval of this gain by itself. The table has {row['gain_low']:.2f} to {row['gain_high']:.2f}: "
            f"there all {n_gains} gains hold together.",
        )
    for slip, interval in _slips(comparison, row).items():
        if np.allclose((low, high), interval, atol=1e-3):
            return Check(False, slip)
    if low > high:
        return Check(False, "the lower end comes first.")
    if np.isclose((low + high) / 2, row["gain"], atol=1e-3):
        return Check(False, "the middle is right, the width is not: look at the standard error and at Student's t.")
    return Check(False, "the middle should be the mean, over the seeds, of the differences in accuracy.")


def _slips(comparison, row):
    """Return {hint: interval} of what is easily taken for the right interval."""
    from scipy.stats import t

    runs = comparison.runs[comparison.runs["shots"] == row["shots"]]
    scores = runs.pivot(index="seed", columns="strategy", values="accuracy")
    arm, baseline = scores[row["strategy"]], scores[comparison.baseline]
    gains, n_seeds = arm - baseline, len(scores)
    quantile, error = t.ppf(0.975, n_seeds - 1), gains.std() / n_seeds**0.5
    unpaired = ((arm.var() + baseline.var()) / n_seeds) ** 0.5
    normal, single = 1.96 * error, quantile * gains.std()
    population, apart = quantile * gains.std(ddof=0) / n_seeds**0.5, quantile * unpaired
    widths = {
        "1.96 is for many seeds; with few, Student's t has wider tails: scipy.stats.t.ppf(0.975, seeds - 1).": normal,
        "that is the spread of single seeds; the mean of several is surer: divide by the root of their number.": single,
        "the deviations are divided by the number of seeds; for a sample it is one less: std(ddof=1).": population,
        "the arms share their pictures seed by seed: subtract first, then take the spread of the differences.": apart,
    }
    intervals = {hint: (gains.mean() - width, gains.mean() + width) for hint, width in widths.items()}
    own = "that is the interval of the accuracy; the gain is the accuracy minus that of the baseline."
    together = "that is the table's, which is wider because all its gains hold together; take this one by itself."
    intervals[own] = row["accuracy_low"], row["accuracy_high"]
    return intervals | {together: (row["gain_low"], row["gain_high"])}
