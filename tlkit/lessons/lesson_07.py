"""Exercises of lesson 07: what aligning the means costs where class shares differ, a method chosen blind."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_TOLERANCE = 0.00501  # an error may be rounded to two digits
_CELL = ["source", "target", "seed"]


@exercise("07_means", "a number")
def _check_means(answer, *, toy):
    """The share of the target's points that a head gets wrong which was solved on the source at the target's mean.

    `toy` is (source (n, d), its labels, target (m, d), its labels).
    """
    try:
        answer = float(answer)
    except (TypeError, ValueError):
        return Check(False, f"this should be a number, and is a {type(answer).__name__}.")
    source, labels, target, truth = (np.asarray(part) for part in toy)
    moved = source + target.mean(axis=0) - source.mean(axis=0)
    right = _measure_error(moved, labels, target, truth)
    if _is_near(answer, right):
        before = _measure_error(source, labels, target, truth)
        return Check(
            True,
            f"{right:.2f} wrong after aligning, {before:.2f} before: the means differed because the shares did, "
            "and were moved onto each other all the same.",
        )
    slips = _list_means_slips(source, labels, target, truth, moved, right)
    nearest = min(slips, key=lambda hint: abs(answer - slips[hint]))
    if _is_near(answer, slips[nearest]):
        return Check(False, nearest)
    return Check(
        False,
        "another number: move the source by the difference of the two means, solve the head there, and count which "
        "share of the target it gets wrong.",
    )


def _measure_error(source, labels, target, truth, *, balanced=False):
    from tlkit.adaptation.solved_head import solve_head

    weight, bias = solve_head(source, labels, int(max(labels.max(), truth.max())) + 1)
    wrong = (target @ weight.T + bias).argmax(axis=1) != truth
    return float(np.mean([wrong[truth == label].mean() for label in np.unique(truth)]) if balanced else wrong.mean())


def _list_means_slips(source, labels, target, truth, moved, right):
    """Return {hint: number} of what is easily taken for the error after aligning."""
    away = source - target.mean(axis=0) + source.mean(axis=0)
    by_class = source.astype(float)
    for label in np.unique(labels):
        by_class[labels == label] += target[truth == label].mean(axis=0) - source[labels == label].mean(axis=0)
    return {
        "that is the share that it gets right; the error is the rest.": 1 - right,
        "that is in per cent; give a share, from 0 to 1.": 100 * right,
        "that is the error before aligning: solve the head on the source that was moved.": (
            _measure_error(source, labels, target, truth)
        ),
        "that is the mean over classes; here each point of the target counts the same.": (
            _measure_error(moved, labels, target, truth, balanced=True)
        ),
        "that is the error on the source, where the head learned; ask it for the target.": (
            _measure_error(moved, labels, moved, labels)
        ),
        "the source was moved the wrong way: add the target's mean, take away its own.": (
            _measure_error(away, labels, target, truth)
        ),
        "the source was only centred; the target stays where it is, so add its mean.": (
            _measure_error(source - source.mean(axis=0), labels, target, truth)
        ),
        "each class was moved to its own mean in the target, which takes labels that nobody has.": (
            _measure_error(by_class, labels, target, truth)
        ),
    }


def _is_near(a, b):
    return abs(a - b) <= _TOLERANCE


@exercise("07_blind", "a method for each pair and seed")
def _check_blind(answer, *, runs):
    """A method for each pair and seed, that with the highest score by one validator.

    `answer` is a DataFrame with source, target, seed and method, or a Series of methods by the first three. `runs` are
    those of a `PairComparison`; the accuracies in it are what choosing blind does without.
    """
    from tlkit.adaptation.pair_results import ORACLE, VALIDATORS

    candidates = runs[runs["method"] != ORACLE]
    scores = candidates.set_index([*_CELL, "method"])
    chosen, hint = _read_choice(answer, scores)
    if hint:
        return Check(False, hint)
    there = [name for name in VALIDATORS if name in scores and scores[name].notna().all()]
    best = scores.groupby(_CELL).max(numeric_only=True)
    worst = scores.groupby(_CELL).min(numeric_only=True)
    taken = scores.loc[chosen].droplevel("method").loc[best.index]
    regrets = best["balanced_accuracy"] - taken["balanced_accuracy"]
    cost = f"a regret of {regrets.mean():.3f} on average, {regrets.max():.3f} at worst"
    for validator in there:
        if (taken[validator] == best[validator]).all():
            reached = f"these reach {taken['balanced_accuracy'].mean():.3f} of {best['balanced_accuracy'].mean():.3f}"
            return Check(True, f"chosen blind by {validator}, {reached}: {cost}.")
    if not regrets.any():
        return Check(
            False, "these have the best accuracies: the target's labels chose, and nobody has them. Take a score."
        )
    for validator in there:
        if (taken[validator] == worst[validator]).all():
            return Check(False, f"these are the lowest by {validator}; all validators are better when higher.")
    if len({method for *_, method in chosen}) == 1:
        return Check(
            False, "one method for all: no validator says so. Take the highest score within each pair and seed."
        )
    n_right = {validator: int((taken[validator] == best[validator]).sum()) for validator in there}
    nearest = max(n_right, key=n_right.get)
    return Check(
        False,
        f"no validator chooses so; {nearest} comes nearest, with {n_right[nearest]} of {len(best)} pairs and seeds. "
        "Take the highest score of one validator within each pair and seed.",
    )


def _read_choice(answer, scores):
    """Return (rows of `scores`, None), or (None, what is wrong with the answer)."""
    import pandas as pd

    from tlkit.adaptation.pair_results import ORACLE

    if isinstance(answer, pd.Series):
        answer = answer.rename("method").reset_index()
    if not isinstance(answer, pd.DataFrame):
        return (
            None,
            f"this should be a DataFrame or a Series by source, target and seed, not a {type(answer).__name__}.",
        )
    if missing := [column for column in [*_CELL, "method"] if column not in answer]:
        return None, f"{missing[0]} is missing: keep the rows that you chose, with source, target, seed and method."
    if (answer["method"] == ORACLE).any():
        return None, "the oracle is among them, which learned the target's labels: it is no method."
    n_cells = len(scores.groupby(_CELL))
    rows = list(answer[[*_CELL, "method"]].itertuples(index=False, name=None))
    if unknown := [row for row in rows if row not in scores.index]:
        return None, f"{unknown[0]} isn't among the runs."
    if len(rows) != n_cells or answer.duplicated(_CELL).any():
        return None, f"{len(rows)} rows, expected {n_cells}: one for each pair of domains and seed."
    return rows, None
