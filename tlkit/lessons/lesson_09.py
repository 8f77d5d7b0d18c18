"""Exercises of lesson 09: the best of equal epochs, and the policy that breaks labels."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_TOLERANCE = 0.0051  # an answer may be rounded to two digits, or counted in some thousand throws


@exercise("09_maximum", "a number")
def _check_maximum(answer, *, chance, n_pictures, n_epochs):
    """The expected best validation accuracy of epochs that are all equally good, each tested anew.

    `chance` is the share of all pictures that each gets right, `n_pictures` are held out, `n_epochs` are looked at.
    """
    try:
        answer = float(answer)
    except (TypeError, ValueError):
        return Check(False, f"this should be a number, and is a {type(answer).__name__}.")
    right = expect_maximum(chance, n_pictures, n_epochs)
    if _is_near(answer, right):
        return Check(
            True,
            f"{right:.2f}, where each is worth {chance:.2f}: {right - chance:+.2f} by looking {n_epochs} times.",
        )
    slips = {
        "that is what each epoch is worth; the best of several looks better.": chance,
        "that is a number of pictures; give a share, from 0 to 1.": right * n_pictures,
        "that is in per cent; give a share, from 0 to 1.": 100 * right,
        "that is the best that could ever come; the mean of the best is below it.": 1.0,
        "that is the worst of them; take the best.": 1 - expect_maximum(1 - chance, n_pictures, n_epochs),
        "that is the best of two; there are more epochs.": expect_maximum(chance, n_pictures, 2),
        "that is the best on ten times as many pictures.": expect_maximum(chance, 10 * n_pictures, n_epochs),
        "that is one standard deviation above the chance; take the mean of the best.": (
            chance + np.sqrt(chance * (1 - chance) / n_pictures)
        ),
    }
    nearest = min(slips, key=lambda hint: abs(answer - slips[hint]))
    if _is_near(answer, slips[nearest]):
        return Check(False, nearest)
    return Check(
        False,
        f"another number: throw {n_epochs} epochs, each {n_pictures} pictures right by a chance of {chance}; take the "
        "best share, and the mean of that over many throws.",
    )


def expect_maximum(chance, n_pictures, n_epochs):
    """Return the expected highest share right of so many equally good, independent tests on so many pictures.

    >>> round(expect_maximum(0.5, 1, 2), 2)
    0.75
    """
    from scipy.stats import binom

    # The mean of a count is the sum over all counts of the chance to exceed them.
    below = binom.cdf(np.arange(n_pictures), n_pictures, chance) ** n_epochs
    return float((1 - below).sum() / n_pictures)


def _is_near(a, b):
    return abs(a - b) <= _TOLERANCE


@exercise("09_policy", "the name of a policy")
def _check_policy(answer, *, damage):
    """The policy that takes most of the labels away, by what a head that learned its views can't tell.

    `damage` is a table of `tlkit.inspection.measure_label_damage`.
    """
    rows = damage[damage["class"] == "all"].set_index("policy")
    if not isinstance(answer, str):
        return Check(False, f"this should be the name of a policy (str), and is a {type(answer).__name__}.")
    if answer not in rows.index:
        return Check(False, f"{answer!r} is not in the table, which has {', '.join(rows.index)}.")
    lost = rows["plain"] - rows["trained_on_views"]
    chosen = rows.loc[answer]
    relearned = chosen["trained_on_views"]
    if lost[answer] == lost.max():
        return Check(
            True,
            f"{answer}: of {chosen['plain']:.2f} a head that learned such views is left with {relearned:.2f}: "
            "the pictures no longer say it.",
        )
    numbers = f"{chosen['plain']:.2f} as they are, {chosen['views']:.2f} asked, {relearned:.2f} learned"
    if chosen["views"] == rows["views"].min():
        return Check(
            False,
            f"{answer} has the lowest share asked ({numbers}), but much of that is learned back: it was only new.",
        )
    if lost[answer] <= 0:
        return Check(False, f"{answer} breaks nothing ({numbers}): what was learned is as good as plain.")
    return Check(False, f"{answer} breaks some ({numbers}), another policy more: compare plain with learned.")
