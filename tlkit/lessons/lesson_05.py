"""Exercises of lesson 05: LP-FT written as phases, a grid of accuracies and the sentence that it allows."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_N_PICTURES = 70  # no phase of LP-FT depends on it
_CHOICES = ("head", "norms", "can't tell")
_TOLERANCE = 1e-3


@exercise("05_lp_ft", "a list of phases")
def _check_lp_ft(answer, *, backbone):
    """Phases that come to the same as the catalogue's lp_ft on a network."""
    from tlkit.strategies import catalogue
    from tlkit.strategies.strategy import Phase, Strategy

    phases = answer.phases if isinstance(answer, Strategy) else answer
    phases = [phases] if isinstance(phases, Phase) else phases
    if not isinstance(phases, (list, tuple)) or not all(isinstance(phase, Phase) for phase in phases):
        return Check(False, f"this should be a list of tl.Phase(…), and is a {type(answer).__name__}.")
    known = catalogue.get("lp_ft").phases
    if any(phase is other for phase in phases for other in known):
        return Check(False, "these are the catalogue's own phases; write yours with tl.Phase(…).")
    try:
        yours, (solve, tune) = ([_resolve(phase, backbone) for phase in part] for part in (phases, known))
    except ValueError as error:  # a stage that isn't there
        return Check(False, f"one phase can't be resolved: {error}")
    if yours == [solve, tune]:
        return Check(True, f"your phases come to the catalogue's in each of the {len(backbone.stages)} stages.")
    return Check(False, _find_slip(yours, solve, tune))


def _resolve(phase, backbone):
    """Return (Mark, {part: learning rate}, n_epochs) of a phase."""
    from tlkit.strategies.freeze_score import make_score
    from tlkit.strategies.strategy import Strategy

    score = make_score(Strategy([phase]), backbone, _N_PICTURES)
    return score.marks[0], dict(zip(score.parts, score.column(0), strict=True)), phase.n_epochs


def _find_slip(yours, solve, tune):
    """Say what phases (a list of what `_resolve` returns) lack to be LP-FT."""
    if yours == [tune, solve]:
        return "the other way round: here everything is tuned under a random head, which is solved too late."
    if solve not in yours:
        of_head = [(rates, n_epochs) for _, rates, n_epochs in yours if _list_learning(rates) == ["head"]]
        if of_head:
            return f"its head takes {of_head[0][1]} epochs; n_epochs=None solves it to the end, which takes none."
        return 'tuning begins under a random head: solve it before, by a phase of its own, tl.Phase(["head"], None).'
    rest = [phase for phase in yours if phase != solve]
    if not rest:
        return "that is the linear probe; a phase is missing that tunes everything."
    if yours[0] != solve or len(yours) != 2:
        return f"{len(yours)} phases, expected two: first the head is solved, then everything is tuned at once."
    (mark, rates, n_epochs), (tuned_mark, tuned_rates, tuned_epochs) = rest[0], tune
    frozen = [part for part, rate in tuned_rates.items() if rate and not rates.get(part)]
    if frozen:
        return f"in the second phase {', '.join(frozen)} stay frozen; LP-FT tunes everything."
    if set(rates) != set(tuned_rates):
        return 'the second phase names norm layers or biases besides; ["all"] has them already.'
    if rates != tuned_rates:
        said = ", ".join(f"{rate:g}" for rate in sorted(set(rates.values())))
        (wanted,) = set(tuned_rates.values())
        return f"the second phase learns at {said}; the catalogue's at {wanted:g} throughout, the head too."
    if n_epochs != tuned_epochs:
        return f"the second phase takes {n_epochs} epochs, the catalogue's {tuned_epochs}."
    if mark.norm_statistics != tuned_mark.norm_statistics:
        return "its norm statistics move; leave them frozen, as they are by default."
    return "the second phase has an augmentation, a penalty or an objective, which plain LP-FT does without."


def _list_learning(rates):
    return [part for part, rate in rates.items() if rate]


@exercise("05_grid", "a pair, table and word,")
def _check_grid(answer, *, runs, margin):
    """Accuracy outside of each head and norm mode at its best rate in domain, and the factor that it blames.

    `answer` is (DataFrame head × norms, one of `_CHOICES`). `runs` has head, rate, norms, inside and outside, a row a
    run; effects up to `margin` can't be told from none.
    """
    if not isinstance(answer, tuple) or len(answer) != 2:
        return Check(False, f"this should be a pair, (table, word), and is a {type(answer).__name__}.")
    table, choice = answer
    if table is ...:
        return Check(False, "no table so far: a row each head, a column each norm mode, accuracies on photographs.")
    given, hint = _read_table(table, runs)
    if hint:
        return Check(False, hint)
    best = _list_best(runs, "inside")
    wrong = [arm for arm, values in best.items() if not _is_among(given[arm], values)]
    if wrong:
        return Check(False, _find_grid_slip(given, runs, wrong))
    head = np.mean([given["probe", norms] - given["random", norms] for norms in ("frozen", "moving")])
    moving = np.mean([given[head_, "moving"] - given[head_, "frozen"] for head_ in ("random", "probe")])
    right = "can't tell"
    if max(abs(head), abs(moving)) > margin:
        right = "head" if abs(head) > abs(moving) else "norms"
    effects = f"the head makes {head:+.3f} on average, moving norms {moving:+.3f}"
    if choice == right:
        said = "neither is above" if right == "can't tell" else f"the {right} matter most, above"
        return Check(True, f"{effects}; {said.replace('head matter', 'head matters')} the margin of {margin:.3f}.")
    if choice not in _CHOICES:
        return Check(False, f"the table is right; now choose one of {', '.join(map(repr, _CHOICES))}.")
    if right == "can't tell":
        return Check(False, f"the table is right, but {effects}: is either above the margin of {margin:.3f}?")
    return Check(False, f"the table is right, but {effects}, and the margin is {margin:.3f}.")


def _read_table(table, runs):
    """Return ({(head, norms): accuracy}, None), or (None, what is wrong with the table)."""
    heads, norms = (sorted(runs[column].unique()) for column in ("head", "norms"))
    try:
        if sorted(table.index) == norms and sorted(table.columns) == heads:
            table = table.T
        if sorted(table.index) != heads or sorted(table.columns) != norms:
            return None, f"the table should have the rows {' and '.join(heads)}, the columns {' and '.join(norms)}."
        return {(head, mode): float(table.loc[head, mode]) for head in heads for mode in norms}, None
    except (AttributeError, TypeError, ValueError):
        return (
            None,
            f"the table should be a DataFrame of numbers, one a head and norm mode, not a {type(table).__name__}.",
        )


def _list_best(runs, column):
    """Return {(head, norms): accuracies outside} at the rate that is best by a column; several where rates tie."""
    arms = runs.groupby(["head", "norms"])
    return {arm: list(rows.loc[rows[column] == rows[column].max(), "outside"]) for arm, rows in arms}


def _find_grid_slip(given, runs, wrong):
    arms = runs.groupby(["head", "norms"])
    slips = {
        "the rate was chosen on the photographs themselves; choose it in domain, by the column inside.": (
            _list_best(runs, "outside")
        ),
        "the rate is chosen well, but these are accuracies in domain: take the column outside of the same runs.": {
            arm: [rows["inside"].max()] for arm, rows in arms
        },
        "these are means over both rates; take each arm at its better one.": {
            arm: [rows["outside"].mean()] for arm, rows in arms
        },
        "these are the worse rates; take each arm at its better one.": {
            arm: list(rows.loc[rows["inside"] == rows["inside"].min(), "outside"]) for arm, rows in arms
        },
    }
    for hint, accuracies in slips.items():
        if all(_is_among(given[arm], values) for arm, values in accuracies.items()):
            return hint
    head, norms = wrong[0]
    return f"{len(wrong)} of {len(given)} are off, as {head} head with {norms} norms: which rate was better in domain?"


def _is_among(value, values):
    return any(abs(value - other) <= _TOLERANCE for other in values)
