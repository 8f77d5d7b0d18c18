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
    mean: float  # correlation of this depth and method, mean over pictures

    @property
    def similarity(self):
        """The similarity of the two maps in a few words."""
        if math.isnan(self.correlation):
            return "one of the maps is constant, so there is no rank correlation"
        alike = "much the same" if self.correlation > 0.7 else "partly the same"
        likeness = alike if self.correlation > 0.3 else "another map"
        return f"rank correlation {self.correlation:.2f} with the map as trained ({likeness})"

    @property
    def sentence(self):
        """The summary in words."""
        depth = "nothing is random" if self.choice.depth == "trained" else f"random down to {self.choice.depth}"
        return (
            f"{self.choice.method}, picture {self.choice.picture}, {self.label}, {depth}: {self.similarity}; mean over "
            f"pictures {self.mean:.2f}."
        )


def summarise_heat_maps(study, choice):
    """Return the `HeatMapSummary` of a choice of a `HeatStudy`."""
    table = study.correlations
    correlations = table.set_index(["method", "depth", "picture"])["correlation"]
    correlation = float(correlations.loc[choice.method, choice.depth, choice.picture])
    maps, mean = study.maps[choice.method][:, choice.picture], float(study.means.loc[choice.depth, choice.method])
    shown = maps[study.depths.index(choice.depth)]
    return HeatMapSummary(choice, study.labels[choice.picture], maps[0], shown, correlation, mean)
