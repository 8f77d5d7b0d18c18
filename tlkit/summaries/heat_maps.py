"""One picture of a `HeatStudy` at one depth, in words and as two maps. Without torch."""

import collections
import dataclasses
import math

import numpy as np

# The index of a picture, a depth and a method of a `HeatStudy`.
HeatChoice = collections.namedtuple("HeatChoice", "picture depth method")


@dataclasses.dataclass(frozen=True, eq=False)
class HeatMapSummary:
    """Heat maps of a picture, trained and random, and their correlation; `summarise_heat_maps` makes one."""

    choice: HeatChoice
    label: str  # the explained class
    trained: np.ndarray  # (side, side) float32: map of the trained run
    random: np.ndarray  # (side, side) float32: map of the run randomised down to the depth
    correlation: float  # rank correlation of the two, NaN if one is constant
    similarity: str  # of the two, in a few words
    sentence: str


def summarise_heat_maps(study, choice):
    """Return the `HeatMapSummary` of a choice of a `HeatStudy`."""
    table = study.correlations
    correlations = table.set_index(["method", "depth", "picture"])["correlation"]
    correlation = float(correlations.loc[choice.method, choice.depth, choice.picture])
    maps, mean = study.maps[choice.method][:, choice.picture], float(study.means.loc[choice.depth, choice.method])
    similarity = "one of the maps is constant, so there is no rank correlation"
    if not math.isnan(correlation):
        likeness = "much the same" if correlation > 0.7 else "partly the same" if correlation > 0.3 else "another map"
        similarity = f"rank correlation {correlation:.2f} with the map as trained ({likeness})"
    depth = "nothing is random" if choice.depth == "trained" else f"random down to {choice.depth}"
    label, shown = study.labels[choice.picture], maps[study.depths.index(choice.depth)]
    sentence = (
        f"{choice.method}, picture {choice.picture}, {label}, {depth}: {similarity}; mean over pictures {mean:.2f}."
    )
    return HeatMapSummary(choice, label, maps[0], shown, correlation, similarity, sentence)
