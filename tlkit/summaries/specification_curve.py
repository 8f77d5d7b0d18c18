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
    """Return the verdict on each replication (str array), or whether it is within the bounds."""
    if isinstance(expected, str):
        return np.array([give_verdict(*ends) for ends in replications[["low", "high"]].itertuples(index=False)])
    return np.where(replications["holds"], WITHIN, OUTSIDE)


def summarise_curve(claim, levels):
    """Return the `CurveSummary` of a claim for the levels of its choices that are kept, {choice: levels}."""
    # A table that was read from a file may have other types than the levels.
    found = [claim.replications[name].astype(str).isin(list(map(str, some))) for name, some in levels.items()]
    kept = np.all(found, axis=0)
    if not kept.any():
        return CurveSummary(kept, f"{claim.sentence} No replication has only these levels. Tick more of them.")
    left = claim.replications[kept]
    results, counts = np.unique(name_results(left, claim.expected), return_counts=True)
    listed = ", ".join(f"{result} {count}" for result, count in zip(results, counts, strict=True))
    verdicts = f": {listed}" if isinstance(claim.expected, str) else ""
    which = "replications" if kept.all() else "of the replications left"
    sentence = (
        f"{claim.sentence} This holds in {left['holds'].sum()} of {len(left)} {which} ({left['holds'].mean():.0%})"
        f"{verdicts}. The {claim.effect} ranges from {left['effect'].min():.3g} to {left['effect'].max():.3g}."
    )
    return CurveSummary(kept, sentence)
