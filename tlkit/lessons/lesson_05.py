"""Exercises of lesson 05: LP-FT written as phases, and the conclusion that a grid of accuracies allows."""

import numpy as np

from tlkit.lessons.exercise import NotYet, exercise, find_slip, name_type

_N_PICTURES = 70  # no phase of LP-FT depends on it
_CHOICES = ("head", "norms", "can't tell")
_TOLERANCE = 1e-3


@exercise("05_lp_ft", "a list of phases")
def _check_lp_ft(answer, *, backbone):
    """Return the verdict on phases that are equivalent to the catalogue's lp_ft on a network."""
    from tlkit.strategies import catalogue
    from tlkit.strategies.strategy import Phase, Strategy

    phases = answer.phases if isinstance(answer, Strategy) else answer
    phases = [phases] if isinstance(phases, Phase) else phases
    if not isinstance(phases, (list, tuple)) or not all(isinstance(phase, Phase) for phase in phases):
        raise NotYet(f"this should be a list of tl.Phase(…), and is a {name_type(answer)}.")
    known = catalogue.get("lp_ft").phases
    if any(phase is other for phase in phases for other in known):
        raise NotYet("these are the catalogue's own phases; write yours with tl.Phase(…).")
    try:
        yours, (solve, tune) = ([_resolve(phase, backbone) for phase in part] for part in (phases, known))
    except ValueError as error:  # an unknown stage
        raise NotYet(f"one phase can't be resolved: {error}") from error
    if yours != [solve, tune]:
        raise NotYet(_find_phase_slip(yours, solve, tune))
    return f"your phases are equivalent to the catalogue's in each of the {len(backbone.stages)} stages."


def _resolve(phase, backbone):
    """Return (Mark, {part: learning rate}, n_epochs) of a phase."""
    from tlkit.strategies.freeze_score import make_score
    from tlkit.strategies.strategy import Strategy

    score = make_score(Strategy([phase]), backbone, _N_PICTURES)
    return score.marks[0], dict(zip(score.parts, score.column(0), strict=True)), phase.n_epochs


def _find_phase_slip(yours, solve, tune):
    """Return the first difference between phases (a list of the results of `_resolve`) and those of LP-FT."""
    if yours == [tune, solve]:
        return "the other way round: here everything is tuned under a random head, which is solved too late."
    if solve not in yours:
        of_head = [
            n_epochs for _, rates, n_epochs in yours if [part for part, rate in rates.items() if rate] == ["head"]
        ]
        if of_head:
            return f"its head takes {of_head[0]} epochs; n_epochs=None solves it to convergence, which takes none."
        return 'tuning begins under a random head: solve it before, in a phase of its own, tl.Phase(["head"], None).'
    rest = [phase for phase in yours if phase != solve]
    if not rest:
        return "that is the linear probe; a phase is missing that tunes everything."
    if yours[0] != solve or len(yours) != 2:
        return f"{len(yours)} phases, expected two: first the head is solved, then everything is tuned at once."
    (mark, rates, n_epochs), (tuned_mark, tuned_rates, tuned_epochs) = rest[0], tune
    if frozen := [part for part, rate in tuned_rates.items() if rate and not rates.get(part)]:
        return f"in the second phase {', '.join(frozen)} stay frozen; LP-FT tunes everything."
    if set(rates) != set(tuned_rates):
        return 'the second phase also names norm layers or biases; ["all"] includes them already.'
    if rates != tuned_rates:
        listed = ", ".join(f"{rate:g}" for rate in sorted(set(rates.values())))
        (expected,) = set(tuned_rates.values())
        return f"the second phase learns at {listed}; the catalogue's at {expected:g} throughout, the head too."
    if n_epochs != tuned_epochs:
        return f"the second phase takes {n_epochs} epochs, the catalogue's {tuned_epochs}."
    if mark.norm_statistics != tuned_mark.norm_statistics:
        return "its norm statistics move; leave them frozen, as they are by default."
    return "the second phase has an augmentation, a penalty or an objective, and plain LP-FT has none."


@exercise("05_grid", "a pair, table and word")
def _check_grid(answer, *, runs, margin):
    """Return the verdict on a table head × norms of accuracies outside the domain, and the conclusion from it."""
    # Runs have head, rate, norms, inside and outside, one row per run; an arm is taken at its best rate in the domain.
    # Effects up to the margin can't be distinguished from none.
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet(f"this should be a pair, (table, word), and is a {name_type(answer)}.")
    table, choice = answer
    if table is ...:
        raise NotYet("no table yet: one row per head, one column per norm mode, accuracies on photographs.")
    given = _read_table(table, runs)
    wrong = [arm for arm, values in _list_best(runs, "inside").items() if not _is_among(given[arm], values)]
    if wrong:
        raise NotYet(_find_grid_slip(given, runs, wrong))
    head = np.mean([given["probe", norms] - given["random", norms] for norms in ("frozen", "moving")])
    moving = np.mean([given[start, "moving"] - given[start, "frozen"] for start in ("random", "probe")])
    right = "can't tell"
    if max(abs(head), abs(moving)) > margin:
        right = "head" if abs(head) > abs(moving) else "norms"
    effects = f"the effect of the head is {head:+.3f} on average, that of moving norms {moving:+.3f}"
    if choice not in _CHOICES:
        raise NotYet(f"the table is right; now choose one of {', '.join(map(repr, _CHOICES))}.")
    if choice != right and right == "can't tell":
        raise NotYet(f"the table is right, but {effects}: is either above the margin of {margin:.3f}?")
    if choice != right:
        raise NotYet(f"the table is right, but {effects}, and the margin is {margin:.3f}.")
    conclusions = {"head": "the head matters most, above", "norms": "the norms matter most, above"}
    return f"{effects}; {conclusions.get(right, 'neither is above')} the margin of {margin:.3f}."


def _read_table(table, runs):
    """Return {(head, norms): accuracy} of the reader's table; raise NotYet if it has another form."""
    heads, norms = (sorted(runs[column].unique()) for column in ("head", "norms"))
    try:
        if sorted(table.index) == norms and sorted(table.columns) == heads:
            table = table.T
        if sorted(table.index) != heads or sorted(table.columns) != norms:
            raise NotYet(f"the table should have the rows {' and '.join(heads)}, the columns {' and '.join(norms)}.")
        return {(head, mode): float(table.loc[head, mode]) for head in heads for mode in norms}
    except (AttributeError, TypeError, ValueError):
        raise NotYet(
            f"the table should be a DataFrame of numbers, one per head and norm mode, not a {name_type(table)}."
        ) from None


def _list_best(runs, column):
    """Return {(head, norms): accuracies outside} at the rate that is best by a column; several if rates tie."""
    arms = runs.groupby(["head", "norms"])
    return {arm: list(rows.loc[rows[column] == rows[column].max(), "outside"]) for arm, rows in arms}


def _find_grid_slip(given, runs, wrong):
    """Return the hint for a table in which some arms are wrong."""
    arms = runs.groupby(["head", "norms"])
    slips = {
        "the rate was chosen on the photographs; choose it in the domain, by the column inside.": (
            _list_best(runs, "outside")
        ),
        "the rate is chosen well, but these are accuracies in the domain: take the column outside of these runs.": {
            arm: [rows["inside"].max()] for arm, rows in arms
        },
        "these are means over both rates; take each arm at its better one.": {
            arm: [rows["outside"].mean()] for arm, rows in arms
        },
        "these are the worse rates; take each arm at its better one.": {
            arm: list(rows.loc[rows["inside"] == rows["inside"].min(), "outside"]) for arm, rows in arms
        },
    }
    head, norms = wrong[0]
    return find_slip(given, slips, _is_table) or (
        f"{len(wrong)} of {len(given)} are wrong, such as {head} head with {norms} norms: which rate was better in the "
        "domain?"
    )


def _is_table(given, accuracies):
    """Return whether each number of a table is among the accuracies of its arm."""
    return all(_is_among(given[arm], values) for arm, values in accuracies.items())


def _is_among(value, values):
    """Return whether a number equals one of several."""
    return any(abs(value - other) <= _TOLERANCE for other in values)
