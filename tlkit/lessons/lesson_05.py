"""Exercises of lesson 05: LP-FT written as phases, and the effect of moving norm statistics outside the domain."""

import numpy as np

from tlkit.lessons.exercise import NotYet, exercise, find_slip, name_type

_N_PICTURES = 70  # no phase of LP-FT depends on it
_LOWEST_RATE, _HIGHEST_RATE, _HIGHEST_OF_HEAD = 1e-5, 5e-4, 5e-3
_MOST_EPOCHS = 50
_TOLERANCE = 0.006  # two digits are enough


@exercise("05_lp_ft", "a list of phases")
def _check_lp_ft(answer, *, backbone):
    """Return the verdict on phases: a solved head, then everything tuned at a sensible rate and length."""
    from tlkit.strategies import catalogue
    from tlkit.strategies.strategy import Phase, Strategy

    phases = answer.phases if isinstance(answer, Strategy) else answer
    phases = [phases] if isinstance(phases, Phase) else phases
    if not isinstance(phases, (list, tuple)) or not all(isinstance(phase, Phase) for phase in phases):
        raise NotYet(f"this should be a list of tl.Phase(…), and is a {name_type(answer)}.")
    if any(phase is known for phase in phases for known in catalogue.get("lp_ft").phases):
        raise NotYet("these are the catalogue's own phases; write yours with tl.Phase(…).")
    if not phases:
        raise NotYet("the list is empty; LP-FT takes two phases or more.")
    try:
        marks = [_resolve(phase, backbone) for phase in phases]
    except ValueError as error:  # an unknown stage
        raise NotYet(f"one phase can't be resolved: {error}") from error
    solves = [phase.n_epochs is None for phase in phases]
    if not solves[0]:
        raise NotYet(_find_start_slip(phases, marks, solves))
    if len(phases) == 1:
        raise NotYet("that is the linear probe; a phase is missing that tunes everything.")
    for place, (phase, (mark, rates)) in enumerate(zip(phases[1:], marks[1:], strict=True), 2):
        if slip := _find_tuning_slip(phase, mark, rates):
            raise NotYet(f"in phase {place} {slip}")
    n_epochs = sum(phase.n_epochs for phase in phases[1:])
    if n_epochs > _MOST_EPOCHS:
        raise NotYet(f"tuning takes {n_epochs} epochs; a few pictures are learned by heart long before that.")
    return f"the head is solved, then all {len(backbone.stages)} stages and the head are tuned for {n_epochs} epochs."


def _resolve(phase, backbone):
    """Return (Mark, {part: learning rate}) of a phase."""
    from tlkit.strategies.strategy import Strategy
    from tlkit.summaries.freeze_score import make_score

    score = make_score(Strategy([phase]), backbone, _N_PICTURES)
    return score.marks[0], dict(zip(score.parts, score.column(0), strict=True))


def _find_start_slip(phases, marks, solves):
    """Return the hint for phases that don't begin with a solved head."""
    if any(solves):
        return "the other way round: here tuning begins under a random head, which is solved too late."
    if [part for part, rate in marks[0][1].items() if rate] == ["head"]:
        return f"its head takes {phases[0].n_epochs} epochs; n_epochs=None solves it to convergence, which takes none."
    return 'tuning begins under a random head: solve it before, in a phase of its own, tl.Phase(["head"], None).'


def _find_tuning_slip(phase, mark, rates):
    """Return why a phase doesn't tune everything as LP-FT does, or None."""
    if phase.n_epochs is None:
        return "the head is solved again; after the first phase everything is tuned."
    if frozen := [part for part in rates if not rates[part]]:
        return f"training leaves out {', '.join(frozen)}; LP-FT tunes everything."
    of_stages = [rate for part, rate in rates.items() if part != "head"]
    if max(of_stages) > _HIGHEST_RATE or rates["head"] > _HIGHEST_OF_HEAD:
        fastest = max(rates.values())
        return f"the rate is {fastest:g}, which destroys pretrained features; the catalogue's is 0.0002."
    if min(rates.values()) < _LOWEST_RATE:
        return f"the rate is {min(rates.values()):g}, too small to change anything; the catalogue's is 0.0002."
    if mark.norm_statistics != "frozen":
        return "norm statistics move; leave them frozen, as they are by default."
    return None


@exercise("05_norms", "a pair: five effects, and a verdict")
def _check_norms(answer, *, runs):
    """Return the verdict on (one effect of moving norm statistics per seed, verdict), outside the domain."""
    # Runs have seed, head, norms, inside and outside, one row per run. The effect of a seed is a mean over both heads.
    from tlkit.evaluation.gains import VERDICTS, give_verdict
    from tlkit.evaluation.intervals import t_interval

    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise NotYet(f"this should be a pair, (effects, verdict), and is a {name_type(answer)}.")
    effects, verdict = answer
    if effects is ...:
        raise NotYet("no effects yet: moving minus frozen on photographs, one number per seed.")
    try:
        given = np.sort(np.asarray(effects, float).ravel())
    except (TypeError, ValueError):
        raise NotYet(f"the effects should be numbers, one per seed, not a {name_type(effects)}.") from None
    arms = runs.pivot(index="seed", columns=["head", "norms"], values="outside")
    by_head = arms.xs("moving", axis=1, level="norms") - arms.xs("frozen", axis=1, level="norms")
    right = by_head.mean(axis=1)
    if not _are_close(given, right):
        raise NotYet(_find_effect_slip(given, runs, by_head))
    low, high = t_interval(right)
    interval = f"the mean effect is {right.mean():+.2f}, its interval {low:+.2f} to {high:+.2f}"
    if verdict not in VERDICTS:
        raise NotYet(f"the effects are right; now choose one of {', '.join(map(repr, VERDICTS))}.")
    if verdict != (expected := give_verdict(low, high)):
        raise NotYet(f"the effects are right, but {interval}. {_RULES[expected]}")
    return f"{interval}: {verdict}."


_RULES = {
    "helps": "It lies above zero.",
    "harms": "It lies below zero.",
    "no difference that matters": "It contains zero and stays within 0.02 of it on both sides.",
    "can't tell": "It contains zero and reaches beyond 0.02 of it.",
}


def _find_effect_slip(given, runs, by_head):
    """Return the hint for effects that are wrong."""
    right, inside = by_head.mean(axis=1), runs.pivot(index="seed", columns=["head", "norms"], values="inside")
    of_inside = (inside.xs("moving", axis=1, level="norms") - inside.xs("frozen", axis=1, level="norms")).mean(axis=1)
    means = runs.groupby(["seed", "norms"])["outside"].mean().unstack()
    slips = {
        "the sign is turned round: take moving minus frozen.": -right,
        "these are effects in the domain; take the column outside.": of_inside,
        "these are effects under the probe's head alone; average both heads.": by_head["probe"],
        "these are effects under the random head alone; average both heads.": by_head["random"],
        "these are sums over the two heads; take their mean.": 2 * right,
        "there are two per seed. Both heads of a seed learn from the same pictures: average them.": by_head,
        "that is the mean over seeds; an interval needs one number per seed.": [right.mean()],
        "these are percentages; give fractions, as in the table.": 100 * right,
        "these are absolute values; the sign shows who wins.": abs(right),
        "these are accuracies with moving statistics; subtract those with frozen ones.": means["moving"],
        "these are accuracies with frozen statistics; the effect is moving minus frozen.": means["frozen"],
        "these are ratios; take differences.": means["moving"] / means["frozen"],
    }
    if hint := find_slip(given, slips, _are_close):
        return hint
    if given.size != len(right):
        return f"there are {given.size} numbers, expected {len(right)}: one per seed."
    return "these are other numbers: pair runs of the same seed and head, moving minus frozen, then average the heads."


def _are_close(given, others):
    """Return whether two lists of numbers agree to two digits, in any order."""
    others = np.sort(np.asarray(others, float).ravel())
    return given.shape == others.shape and bool(np.allclose(given, others, rtol=0, atol=_TOLERANCE))
