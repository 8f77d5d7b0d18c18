"""Exercises of lesson 14: the points of an accusation without proof, and the interval of a flaw's effect."""

import numpy as np

from tlkit.evaluation.intervals import t_interval
from tlkit.lessons.exercise import NotYet, compare, compare_number, exercise, expect_number


@exercise("14_accuse", "a number", expect_number)
def _check_accuse(answer, *, probability, marks):
    """Return the verdict on the mean points of accusing at once, without an audit, compared with acquitting."""
    verdict, fine, missed = marks["without interval"], marks["false accusation"], marks["missed flaw"]
    clean, stake = 1 - probability, verdict + missed
    gain, loss = probability * stake, clean * fine
    pays_above = fine / (stake + fine)
    acquitted = clean * marks["right verdict"]
    slips = {
        "that forgets the fine: it is paid if the pipeline is clean.": gain,
        "that is the loss alone; if the flaw is there, you earn the points of a right verdict.": -loss,
        "whoever acquits a flawed pipeline loses points; accusing saves them.": probability * verdict - loss,
        "without its audit, an interval earns nothing.": probability * (marks["right verdict"] + missed) - loss,
        "these are the points of accusing; subtract those of acquitting.": probability * verdict + acquitted - loss,
        "after a false accusation you still acquit; only the fine is lost.": gain - loss - acquitted,
        "the probabilities are swapped: the flaw is there with the given one.": clean * stake - probability * fine,
        "the sign: accusing minus acquitting.": loss - gain,
        "multiply the fine by the probability that it is paid.": gain - fine,
        "that is the probability above which accusing pays; which points are they at the given one?": pays_above,
    }
    otherwise = "add up the gain if the flaw is there and the fine if it isn't, each times its probability."
    compare_number(answer, gain - loss, slips, otherwise, 5e-3)
    return (
        f"{gain:.1f} - {loss:.1f} = {gain - loss:+.1f} points. Accusing pays above a probability of {pays_above:.2f}."
    )


@exercise("14_effect", "a pair of numbers, low and high")
def _check_effect(answer, *, honest, flawed):
    """Return the verdict on the 95 % interval of a mean paired difference."""
    try:
        low, high = (float(value) for value in answer)
    except (TypeError, ValueError):
        raise NotYet(f"an interval is a pair of numbers, (low, high), and this is {answer!r}.") from None
    changes, n_seeds = np.subtract(flawed, honest), len(honest)
    right, mean, spread = np.array(t_interval(changes)), changes.mean(), changes.std(ddof=1)
    half, ends = (right - mean)[1], np.array([-1, 1])
    unpaired = mean + ends * half * np.hypot(np.std(flawed, ddof=1), np.std(honest, ddof=1)) / spread
    of_seeds, of_all = half * n_seeds**0.5, half * (1 - 1 / n_seeds) ** 0.5
    slips = {
        "1.96 is for many seeds; with few, take Student's t.": mean + ends * 1.96 * spread / n_seeds**0.5,
        "that is the spread of single seeds; divide it by the root of their number.": mean + ends * of_seeds,
        "divide the squared deviations by the seeds minus one: std(ddof=1).": mean + ends * of_all,
        "both scores of a seed share their pictures: subtract seed by seed, then take the spread.": unpaired,
        "the lower end comes first.": right[::-1],
        "the sign: the effect is the flawed score minus the honest one.": -right[::-1],
        "that is the interval of the flawed score; the effect is a difference.": t_interval(flawed),
        "these are in percent; give shares, from 0 to 1.": 100 * right,
    }
    otherwise = "the middle is the mean of the differences, seed by seed."
    if [low, high] != right.round(2).tolist():  # two digits are enough
        compare((low, high), right, slips, otherwise, lambda a, b: np.allclose(a, b, atol=6e-4))
    return f"{right[0]:+.3f} to {right[1]:+.3f} over {n_seeds} seeds: an accusation states this beside the flaw."
