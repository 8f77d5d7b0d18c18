"""Exercises of lesson 07: the error after aligning the means of domains, and a rule that chooses a method blind."""

import numpy as np

from tlkit.lessons.exercise import NotYet, calling_answer, compare_number, exercise, expect_number, name_type

_TOLERANCE = 0.00501  # an error may be rounded to two digits
_CELL = ["source", "target", "seed"]


@exercise("07_means", "a number", expect_number)
def _check_means(answer, *, toy):
    """Return the verdict on the target error of a head that was solved on the source moved to the target's mean."""
    # The toy is (source (n, d), its labels, target (m, d), its labels).
    source, labels, target, truth = (np.asarray(part) for part in toy)
    moved = source + target.mean(axis=0) - source.mean(axis=0)
    right = _measure_error(moved, labels, target, truth)
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
    slips = {
        "that is the share that it gets right; the error is the rest.": 1 - right,
        "that is a number of points; divide by all points of the target.": len(truth) * right,
        "that is the error before aligning: solve the head on the source that was moved.": before,
        "that is the mean over classes; here each point of the target counts the same.": balanced,
        "that is the error on the source, on which the head was trained; measure it on the target.": on_source,
        "the source was moved the wrong way: add the target's mean, subtract its own.": wrong_way,
        "the source was only centred; the target stays, so add its mean.": only_centred,
        "each class was moved to its own mean in the target, which takes labels of the target.": per_class,
    }
    otherwise = "another number: move the source by the difference of the two means, and solve the head there."
    at_zero = _measure_error(centred, labels, target - target.mean(axis=0), truth)  # both moved, which is as good
    compare_number(right if abs(answer - at_zero) < _TOLERANCE else answer, right, slips, otherwise, _TOLERANCE)
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


@exercise("07_blind", "a rule: a function of a table of scores, or the name of a method or score")
def _check_blind(answer, *, runs):
    """Return the verdict on a rule that chooses a method for each pair and seed without labels of the target."""
    # A rule is called with a table of validators, one row per method. It never sees accuracies, so any rule was stated
    # beforehand. The runs are those of a `PairComparison`.
    from tlkit.adaptation.pair_results import BASELINE, ORACLE, VALIDATORS

    scores = runs[runs["method"] != ORACLE].set_index([*_CELL, "method"])
    accuracies = scores["balanced_accuracy"].unstack()
    blind = scores[[name for name in VALIDATORS if name in scores and scores[name].notna().all()]]
    rule = _read_rule(answer, list(blind), list(accuracies))
    splits = {split: rows.droplevel(_CELL) for split, rows in blind.groupby(_CELL)}
    chosen = [_apply_rule(rule, rows, split) for split, rows in splits.items()]
    for name in blind:
        lowest = [rows[name].idxmin() for rows in splits.values()]
        if chosen == lowest and len(set(lowest)) > 1:
            raise NotYet(f"these have the lowest {name}; for all scores, higher is better.")
    regrets = {name: accuracies.max(axis=1) - accuracies[name] for name in accuracies}
    own = np.array([regrets[name][split] for name, split in zip(chosen, splits, strict=True)])
    fixed = min(regrets, key=lambda name: regrets[name].mean())
    return (
        f"your rule has a regret of {own.mean():.3f} on average, {own.max():.3f} at worst. Beside it: always {fixed} "
        f"(the best fixed method in hindsight) {regrets[fixed].mean():.3f}, source only {regrets[BASELINE].mean():.3f}."
    )


def _read_rule(answer, validators, methods):
    """Return the rule that an answer states, a function of a table of scores; raise NotYet for another answer."""
    if isinstance(answer, str) and answer in validators:
        return lambda scores: scores[answer].idxmax()
    if isinstance(answer, str):
        _check_method(answer, methods, f"{answer!r}")
        return lambda scores: answer
    if not callable(answer):
        raise NotYet(f"a rule is a function, not yet called, or a name, and this is a {name_type(answer)}.")
    return answer


def _apply_rule(rule, scores, split):
    """Return the method that a rule chooses for a split; raise NotYet if it chooses none of them."""
    with calling_answer():
        try:
            chosen = rule(scores.copy())
        except KeyError as error:
            has = f"the table of scores has the columns {', '.join(scores)} and one row per method"
            raise NotYet(f"the rule looks for {error}; {has}. Accuracies would take labels of the target.") from error
    title = f"for {' → '.join(split[:2])}, seed {split[2]}, it returns {chosen!r}"
    if chosen is None:
        raise NotYet(f"{title}: is there a return?")
    if not isinstance(chosen, str):
        raise NotYet(f"{title} ({name_type(chosen)}); expected the name of a method, such as idxmax gives.")
    if chosen in scores:
        raise NotYet(f"{title}, which is a score; expected the method that has the highest.")
    _check_method(chosen, list(scores.index), title)
    return chosen


def _check_method(name, methods, title):
    """Raise NotYet if a name is none of the methods."""
    if name == "oracle":
        raise NotYet("the oracle was trained on the target's labels: it is no method.")
    if name not in methods:
        raise NotYet(f"{title}; there are the methods {', '.join(methods)}.")
