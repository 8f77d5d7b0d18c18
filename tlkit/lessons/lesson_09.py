"""Exercises of lesson 09: the best of equally good epochs, and the accuracy that may be reported."""

import numpy as np

from tlkit.lessons.exercise import compare_number, exercise, expect_number

_TOLERANCE = 0.0051  # an answer may be rounded to two digits, or be the mean of some thousand random draws


@exercise("09_maximum", "a number", expect_number)
def _check_maximum(answer, *, chance, n_pictures, n_epochs):
    """Return the verdict on the expected best validation accuracy of epochs that are all equally good."""
    # Each epoch gets a picture right with a probability of `chance`, independently; `n_pictures` are held out.
    right = expect_maximum(chance, n_pictures, n_epochs)
    slips = {
        "this is the accuracy of each epoch; the best of several looks better.": chance,
        "this is a number of pictures; give a share, from 0 to 1.": right * n_pictures,
        "this is the gain alone; give the best share itself.": right - chance,
        "this is the best possible result; the mean of the best is below it.": 1.0,
        "this is the worst of them; take the best.": 1 - expect_maximum(1 - chance, n_pictures, n_epochs),
        "this is the best of two; there are more epochs.": expect_maximum(chance, n_pictures, 2),
        "this is the best on ten times as many pictures.": expect_maximum(chance, 10 * n_pictures, n_epochs),
        "this is one standard deviation above the chance; take the mean of the best.": (
            chance + np.sqrt(chance * (1 - chance) / n_pictures)
        ),
    }
    otherwise = (
        f"another number: draw {n_epochs} epochs, each with {n_pictures} pictures that are right with probability "
        f"{chance}; take the best share, and the mean of that over many draws."
    )
    compare_number(answer, right, slips, otherwise, _TOLERANCE)
    return (
        f"{right:.2f}, although each is worth {chance:.2f}: {right - chance:+.2f} from taking the best of {n_epochs}."
    )


def expect_maximum(chance, n_pictures, n_epochs):
    """Return the expected best share of right pictures in several equally good, independent tests."""
    from scipy.stats import binom

    # The mean of a count is the sum, over all counts, of the probability to exceed them.
    below = binom.cdf(np.arange(n_pictures), n_pictures, chance) ** n_epochs
    return float((1 - below).sum() / n_pictures)


@exercise("09_honest", "a number", expect_number)
def _check_honest(answer, *, scores):
    """Return the verdict on the accuracy to report, from a table with the columns fold, candidate, inner and outer."""
    # One row per outer fold and candidate: the accuracy on inner folds of the training part, and on the test fold.
    tables = (scores.pivot(index="fold", columns="candidate", values=name) for name in ("inner", "outer"))
    inner, outer = (table[scores["candidate"].unique()] for table in tables)  # the first of equal ones is chosen
    chosen = inner.to_numpy().argmax(axis=1)
    judged = outer.to_numpy()[np.arange(len(outer)), chosen]
    right = float(judged.mean())
    slips = {
        "this takes the best outer score of each fold, so it chooses on the test set.": outer.max(axis=1).mean(),
        "this takes the candidate with the best mean outer score, so it chooses on the test set.": outer.mean().max(),
        "this is the highest outer score of all; choose by inner, then take the mean.": outer.max().max(),
        "this is the inner score of the choices; report their outer score.": inner.max(axis=1).mean(),
        "this is the best mean inner score; report the outer scores of the choices.": inner.mean().max(),
        "this takes one candidate for all folds, but inner scores of the other folds have seen this test fold.": (
            outer[inner.mean().idxmax()].mean()
        ),
        "this is the mean over all candidates; choose one per fold first.": outer.to_numpy().mean(),
        "this is the mean of all inner scores; choose one candidate per fold first.": inner.to_numpy().mean(),
        "this takes the lowest inner score; choose the highest.": (
            outer.to_numpy()[np.arange(len(outer)), inner.to_numpy().argmin(axis=1)].mean()
        ),
        "this is one fold alone; take the mean over all folds.": judged[0],
        "this is the best fold; take the mean over all folds.": judged.max(),
        "this is the worst fold; take the mean over all folds.": judged.min(),
        "this is the error; report the accuracy.": 1 - right,
    }
    otherwise = (
        "another number: in each fold take the candidate with the highest inner score, note its outer score, and "
        "take the mean over the folds."
    )
    compare_number(answer, right, slips, otherwise, _TOLERANCE)
    promised = outer.max(axis=1).mean()
    return f"{right:.2f}: no choice has seen the pictures that judge it. The best outer scores promise {promised:.2f}."
