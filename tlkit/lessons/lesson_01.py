"""Exercises of lesson 01: the number of pictures in few shots, and the interval of a gain."""

import numpy as np

from tlkit.evaluation.gains import transfer_gain
from tlkit.lessons.exercise import NotYet, compare, exercise, expect_whole_number


@exercise("01_pictures", "a whole number")
def _check_pictures(answer, *, train, shots):
    """Return the verdict on the number of pictures that `few(shots)` draws if some classes have fewer."""
    answer = expect_whole_number(answer, "a number of pictures")
    counts = np.bincount(train.labels, minlength=len(train.classes))
    right, every = int(np.minimum(counts, shots).sum()), shots * len(train.classes)
    large = counts[counts >= shots]
    slips = {
        f"this would be right if every class had {shots} pictures; np.bincount(train.labels) counts them.": every,
        f"that is every training picture; if a class has more than {shots}, only {shots} are drawn.": len(train),
        "that is the number for a single class; add up over all classes.": shots,
        "that is the number of classes; add up the pictures that each class gives.": len(counts),
        f"these are the classes with {shots} or more; the smaller ones give all they have.": shots * len(large),
        "only the smallest class is that small; take the smaller number class by class.": counts.min() * len(counts),
        "these are the missing pictures; the number that is drawn is the rest.": every - right,
    }
    otherwise = f"a class gives {shots} pictures or, if it has fewer, all it has: add these up over the classes."
    compare(answer, right, slips, otherwise)
    return f"{right} pictures, {every - right} fewer than {shots} per class."


@exercise("01_interval", "a pair of numbers, low and high")
def _check_interval(answer, *, comparison, strategy, shots):
    """Return the verdict on the 95 % interval of one transfer gain by itself, computed from the runs."""
    try:
        low, high = (float(value) for value in answer)
    except (TypeError, ValueError):
        raise NotYet(f"an interval is a pair of numbers, (low, high), and this is {answer!r}.") from None
    table = comparison.table
    row = table[(table["strategy"] == strategy) & (table["shots"] == shots)].iloc[0]
    alone = transfer_gain(comparison.runs, comparison.predictions, comparison.baseline, simultaneous=False)
    alone = alone[(alone["strategy"] == strategy) & (alone["shots"] == shots)].iloc[0]
    right = alone["gain_low"], alone["gain_high"]
    otherwise = "the middle should be the mean, over the seeds, of the differences in accuracy."
    if low > high:
        otherwise = "the lower end comes first."
    elif np.isclose((low + high) / 2, row["gain"], atol=0.005):
        otherwise = "the middle is right, the width is not: look at the standard error and at Student's t."
    if not np.allclose((low, high), np.round(right, 2)):  # two digits are enough
        percent = {"these are in percent; give shares, from 0 to 1.": 100 * np.array(right)}
        slips = _list_interval_slips(comparison, row) | percent
        compare((low, high), right, slips, otherwise, lambda a, b: np.allclose(a, b, atol=1e-3))
    n_gains = (table["strategy"] != comparison.baseline).sum()
    return (
        f"the interval of this gain by itself. The table has {row['gain_low']:.2f} to {row['gain_high']:.2f}, because "
        f"its {n_gains} intervals hold simultaneously."
    )


def _list_interval_slips(comparison, row):
    """Return {hint: interval} of usual wrong intervals."""
    from scipy.stats import t

    runs = comparison.runs[comparison.runs["shots"] == row["shots"]]
    scores = runs.pivot(index="seed", columns="strategy", values="accuracy")
    arm, baseline = scores[row["strategy"]], scores[comparison.baseline]
    gains, n_seeds = arm - baseline, len(scores)
    mean, quantile, root = gains.mean(), t.ppf(0.975, n_seeds - 1), n_seeds**0.5
    error, single, population = gains.std() / root, quantile * gains.std(), quantile * gains.std(ddof=0) / root
    half = quantile * error
    unpaired = quantile * (arm.var() + baseline.var()) ** 0.5 / root
    widths = {
        "1.96 is for many seeds; with few, Student's t has wider tails: scipy.stats.t.ppf(0.975, seeds - 1).": 1.96
        * error,
        "that is the spread of single seeds; a mean varies less: divide by the root of the number of seeds.": single,
        "the squared deviations are divided by the number of seeds; divide by one less: std(ddof=1).": population,
        "both arms share their pictures: subtract first, seed by seed, then take the spread.": unpaired,
        "that is the 90 % interval; 95 % takes the quantile at 0.975.": t.ppf(0.95, n_seeds - 1) * error,
        "the degrees of freedom are the number of seeds minus one.": t.ppf(0.975, n_seeds) * error,
    }
    own, simultaneous = (row["accuracy_low"], row["accuracy_high"]), (row["gain_low"], row["gain_high"])
    return {hint: (mean - width, mean + width) for hint, width in widths.items()} | {
        "that is the interval of the accuracy; the gain is the accuracy minus that of the baseline.": own,
        "that is the table's, wider because its intervals hold simultaneously; take this one by itself.": simultaneous,
        "that is the mean and half of the width; give the mean minus it and plus it.": (mean, half),
        "the signs are reversed: the gain is the probe minus the baseline.": (-mean - half, half - mean),
    }
