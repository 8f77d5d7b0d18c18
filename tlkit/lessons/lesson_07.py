"""Exercises of lesson 07: the error after aligning the means of domains, and a method chosen without target labels."""

import numpy as np

from tlkit.lessons.exercise import NotYet, compare, exercise, expect_number, name_type, sort_by_distance

_TOLERANCE = 0.00501  # an error may be rounded to two digits
_CELL = ["source", "target", "seed"]


@exercise("07_means", "a number")
def _check_means(answer, *, toy):
    """Return the verdict on the target error of a head that was solved on the source moved to the target's mean."""
    # The toy is (source (n, d), its labels, target (m, d), its labels).
    answer = expect_number(answer)
    source, labels, target, truth = (np.asarray(part) for part in toy)
    moved = source + target.mean(axis=0) - source.mean(axis=0)
    right = _measure_error(moved, labels, target, truth)
    compare(
        answer,
        right,
        sort_by_distance(answer, _list_means_slips(source, labels, target, truth, moved, right)),
        "another number: move the source by the difference of the two means, solve the head there, and measure the "
        "share of the target that it gets wrong.",
        lambda a, b: abs(a - b) <= _TOLERANCE,
    )
    before = _measure_error(source, labels, target, truth)
    return (
        f"{right:.2f} wrong after aligning, {before:.2f} before: the means differed because the class shares did, and "
        "aligning moved them onto each other nevertheless."
    )


def _measure_error(source, labels, target, truth, *, balanced=False):
    """Return the target error of a head that is solved on the source; `balanced` averages over classes."""
    from tlkit.adaptation.solved_head import solve_head

    weight, bias = solve_head(source, labels, int(max(labels.max(), truth.max())) + 1)
    wrong = (target @ weight.T + bias).argmax(axis=1) != truth
    return float(np.mean([wrong[truth == label].mean() for label in np.unique(truth)]) if balanced else wrong.mean())


def _list_means_slips(source, labels, target, truth, moved, right):
    """Return {hint: number} of usual wrong errors after aligning."""
    away = source - target.mean(axis=0) + source.mean(axis=0)
    by_class = source.astype(float)
    for label in np.unique(labels):
        by_class[labels == label] += target[truth == label].mean(axis=0) - source[labels == label].mean(axis=0)
    centred = source - source.mean(axis=0)
    before, wrong_way, only_centred, per_class = (
        _measure_error(points, labels, target, truth) for points in (source, away, centred, by_class)
    )
    balanced = _measure_error(moved, labels, target, truth, balanced=True)
    on_source = _measure_error(moved, labels, moved, labels)
    return {
        "that is the share that it gets right; the error is the rest.": 1 - right,
        "that is in per cent; give a share, from 0 to 1.": 100 * right,
        "that is the error before aligning: solve the head on the source that was moved.": before,
        "that is the mean over classes; here each point of the target counts the same.": balanced,
        "that is the error on the source, on which the head was trained; measure it on the target.": on_source,
        "the source was moved the wrong way: add the target's mean, subtract its own.": wrong_way,
        "the source was only centred; the target stays, so add its mean.": only_centred,
        "each class was moved to its own mean in the target, which takes labels that nobody has.": per_class,
    }


@exercise("07_blind", "a method for each pair and seed")
def _check_blind(answer, *, runs):
    """Return the verdict on a method for each pair and seed, the one with the highest score by one validator."""
    # The answer is a DataFrame with source, target, seed and method, or a Series of methods by the first three. The
    # runs are those of a `PairComparison`, whose accuracies a choice without target labels must not use.
    from tlkit.adaptation.pair_results import ORACLE, VALIDATORS

    candidates = runs[runs["method"] != ORACLE]
    scores = candidates.set_index([*_CELL, "method"])
    chosen = _read_choice(answer, scores)
    validators = [name for name in VALIDATORS if name in scores and scores[name].notna().all()]
    best = scores.groupby(_CELL).max(numeric_only=True)
    worst = scores.groupby(_CELL).min(numeric_only=True)
    taken = scores.loc[chosen].droplevel("method").loc[best.index]
    regrets = best["balanced_accuracy"] - taken["balanced_accuracy"]
    for validator in validators:
        if (taken[validator] == best[validator]).all():
            return (
                f"chosen blind by {validator}, these reach {taken['balanced_accuracy'].mean():.3f} of "
                f"{best['balanced_accuracy'].mean():.3f}: a regret of {regrets.mean():.3f} on average, "
                f"{regrets.max():.3f} at worst."
            )
    if not regrets.any():
        raise NotYet("these have the best accuracies: the target's labels chose, and nobody has them. Take a score.")
    for validator in validators:
        if (taken[validator] == worst[validator]).all():
            raise NotYet(f"these are the lowest by {validator}; for all validators, higher is better.")
    if len({method for *_, method in chosen}) == 1:
        raise NotYet("one method for all: no validator chooses so. Take the highest score within each pair and seed.")
    n_right = {validator: int((taken[validator] == best[validator]).sum()) for validator in validators}
    nearest = max(n_right, key=n_right.get)
    raise NotYet(
        f"no validator chooses so; {nearest} comes nearest, with {n_right[nearest]} of {len(best)} pairs and seeds. "
        "Take the highest score of one validator within each pair and seed."
    )


def _read_choice(answer, scores):
    """Return the chosen rows of `scores`, a list of (source, target, seed, method); raise NotYet for another form."""
    import pandas as pd

    from tlkit.adaptation.pair_results import ORACLE

    if isinstance(answer, pd.Series):
        answer = answer.rename("method").reset_index()
    if not isinstance(answer, pd.DataFrame):
        raise NotYet(f"this should be a DataFrame or a Series by source, target and seed, not a {name_type(answer)}.")
    if missing := [column for column in [*_CELL, "method"] if column not in answer]:
        raise NotYet(f"{missing[0]} is missing: keep the rows that you chose, with source, target, seed and method.")
    if (answer["method"] == ORACLE).any():
        raise NotYet("the oracle is among them, which was trained on the target's labels: it is no method.")
    n_cells = len(scores.groupby(_CELL))
    rows = list(answer[[*_CELL, "method"]].itertuples(index=False, name=None))
    if unknown := [row for row in rows if row not in scores.index]:
        raise NotYet(f"{unknown[0]} isn't among the runs.")
    if len(rows) != n_cells or answer.duplicated(_CELL).any():
        raise NotYet(f"{len(rows)} rows, expected {n_cells}: one for each pair of domains and seed.")
    return rows
