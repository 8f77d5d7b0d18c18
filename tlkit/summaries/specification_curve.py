"""How often a claim holds in the replications that a reader accepts, in words. Without torch."""

import dataclasses

import numpy as np

from tlkit.evaluation.gains import give_verdict

WITHIN, OUTSIDE = "within the bounds", "not within the bounds"


@dataclasses.dataclass(frozen=True, eq=False)
class CurveSummary:
    """The replications that were kept; `summarise_curve` makes one."""

    kept: np.ndarray  # bool, (n_replications,)
    sentence: str


def name_results(replications, expected):
    """Return the verdict on each replication (list of str), or whether it is within the bounds."""
    if isinstance(expected, str):
        return [give_verdict(*ends) for ends in replications[["low", "high"]].itertuples(index=False)]
    return [WITHIN if holds else OUTSIDE for holds in replications["holds"]]


def find_levels(replications, choices):
    """Return {choice: positions of the replications' levels (int array of shape (n_replications,))}."""
    # A table that was read from a file may have other types than the levels.
    places = {name: {str(level): place for place, level in enumerate(levels)} for name, levels in choices.items()}
    return {
        name: np.array([of_level[str(value)] for value in replications[name]], int) for name, of_level in places.items()
    }


def summarise_curve(claim, kept_places):
    """Return the `CurveSummary` of a claim for the positions of the levels that are kept, {choice: positions}."""
    table = claim.replications
    levels = find_levels(table, claim.choices)
    kept = np.all([np.isin(levels[name], places) for name, places in kept_places.items()], axis=0)
    if not kept.any():
        return CurveSummary(kept, "No replication has only these levels. Tick more of them.")
    left = table[kept]
    results = name_results(left, claim.expected)
    counts = ", ".join(f"{results.count(result)} {result}" for result in dict.fromkeys(results))
    rate = f"holds in {int(left['holds'].sum())} of {len(left)}"
    which = "replications" if kept.all() else "of the replications left"
    sentence = (
        f"{rate} {which} ({left['holds'].mean():.0%}; {counts}). The {claim.effect} ranges from "
        f"{left['effect'].min():.3g} to {left['effect'].max():.3g}."
    )
    return CurveSummary(kept, sentence)
