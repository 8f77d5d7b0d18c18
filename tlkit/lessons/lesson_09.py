"""Exercises of lesson 09: the best of equally good epochs, and the augmentation that breaks labels."""

import numpy as np

from tlkit.lessons.exercise import NotYet, compare, exercise, expect_number, name_type, sort_by_distance

_TOLERANCE = 0.0051  # an answer may be rounded to two digits, or be the mean of some thousand random draws


@exercise("09_maximum", "a number")
def _check_maximum(answer, *, chance, n_pictures, n_epochs):
    """Return the verdict on the expected best validation accuracy of epochs that are all equally good."""
    # Each epoch gets a picture right with a probability of `chance`, independently; `n_pictures` are held out.
    answer = expect_number(answer)
    right = expect_maximum(chance, n_pictures, n_epochs)
    slips = {
        "that is the accuracy of each epoch; the best of several looks better.": chance,
        "that is a number of pictures; give a share, from 0 to 1.": right * n_pictures,
        "that is in per cent; give a share, from 0 to 1.": 100 * right,
        "that is the best possible result; the mean of the best is below it.": 1.0,
        "that is the worst of them; take the best.": 1 - expect_maximum(1 - chance, n_pictures, n_epochs),
        "that is the best of two; there are more epochs.": expect_maximum(chance, n_pictures, 2),
        "that is the best on ten times as many pictures.": expect_maximum(chance, 10 * n_pictures, n_epochs),
        "that is one standard deviation above the chance; take the mean of the best.": (
            chance + np.sqrt(chance * (1 - chance) / n_pictures)
        ),
    }
    compare(
        answer,
        right,
        sort_by_distance(answer, slips),
        f"another number: draw {n_epochs} epochs, each with {n_pictures} pictures that are right with probability "
        f"{chance}; take the best share, and the mean of that over many draws.",
        lambda a, b: abs(a - b) <= _TOLERANCE,
    )
    return (
        f"{right:.2f}, although each is worth {chance:.2f}: {right - chance:+.2f} from taking the best of {n_epochs}."
    )


def expect_maximum(chance, n_pictures, n_epochs):
    """Return the expected best share of right pictures in several equally good, independent tests."""
    from scipy.stats import binom

    # The mean of a count is the sum, over all counts, of the probability to exceed them.
    below = binom.cdf(np.arange(n_pictures), n_pictures, chance) ** n_epochs
    return float((1 - below).sum() / n_pictures)


@exercise("09_policy", "the name of a policy")
def _check_policy(answer, *, damage):
    """Return the verdict on the policy that breaks most labels, in a table of `measure_label_damage`."""
    rows = damage[damage["class"] == "all"].set_index("policy")
    if not isinstance(answer, str):
        raise NotYet(f"this should be the name of a policy (str), and is a {name_type(answer)}.")
    if answer not in rows.index:
        raise NotYet(f"{answer!r} is not in the table, which has {', '.join(rows.index)}.")
    lost = rows["plain"] - rows["trained_on_views"]
    plain, views, trained_on_views = (rows.loc[answer, name] for name in ("plain", "views", "trained_on_views"))
    if lost[answer] == lost.max():
        return (
            f"{answer}: a head trained on such views recognises {trained_on_views:.2f} instead of {plain:.2f}: the "
            "pictures no longer show their class."
        )
    shares = f"{plain:.2f} plain, {views:.2f} views, {trained_on_views:.2f} trained on views"
    if views == rows["views"].min():
        raise NotYet(
            f"{answer} has the lowest share in the column views ({shares}), but training on such views brings much of "
            "it back: it was only new."
        )
    if lost[answer] <= 0:
        raise NotYet(f"{answer} breaks nothing ({shares}): the share after training on such views is as good as plain.")
    raise NotYet(f"{answer} breaks some ({shares}), another policy more: compare plain with trained_on_views.")
