"""One picture of a `HeatStudy` at one depth, in words and as two maps. Without torch."""

import dataclasses
import math

import numpy as np

from tlkit.arguments import check_count, check_known


@dataclasses.dataclass(frozen=True)
class HeatChoice:
    """What to look at: a picture by its position, a depth and a method of a `HeatStudy`."""

    picture: int
    depth: str
    method: str


@dataclasses.dataclass(frozen=True, eq=False)
class HeatMapSummary:
    """What a choice comes to; `summarise_heat_maps` makes one.

    Arguments
    ---------
    choice: HeatChoice
    label: str
        The class whose score is explained.
    trained, random: (side, side) float32
        The heat map as trained, and of the run that is random down to the depth.
    correlation: float
        Of the two by ranks; NaN where one is the same everywhere.
    mean: float
        Of this depth and method over all pictures.
    """

    choice: HeatChoice
    label: str
    trained: np.ndarray
    random: np.ndarray
    correlation: float
    mean: float

    @property
    def words(self):
        """How like each other the two maps are, in a few words."""
        if math.isnan(self.correlation):
            return "one of the maps is the same everywhere, nothing to correlate"
        return f"rank correlation {self.correlation:.2f} with the map as trained ({_judge(self.correlation)})"

    @property
    def sentence(self):
        """All of it in words."""
        known = "nothing is random" if self.choice.depth == "trained" else f"random down to {self.choice.depth}"
        return (
            f"{self.choice.method}, picture {self.choice.picture}, {self.label}, {known}: {self.words}; mean over "
            f"pictures {self.mean:.2f}."
        )


def check_heat(study, choice):
    """Raise ValueError for a picture, depth or method that a `HeatStudy` doesn't have, TypeError for another type."""
    check_count("picture", choice.picture, 0, len(study.inputs) - 1)
    check_known("depth", [choice.depth], study.depths)
    check_known("method", [choice.method], list(study.maps))


def summarise_heat_maps(study, choice):
    """Look up what a picture's heat map becomes where the network is random down to a depth.

    Arguments
    ---------
    study: HeatStudy
    choice: HeatChoice

    Returns a `HeatMapSummary`. Raises as `check_heat` does.
    """
    check_heat(study, choice)
    table = study.correlations
    row = table[
        (table["method"] == choice.method) & (table["depth"] == choice.depth) & (table["picture"] == choice.picture)
    ]
    maps = study.maps[choice.method]
    return HeatMapSummary(
        choice,
        study.labels[choice.picture],
        maps[0, choice.picture],
        maps[study.depths.index(choice.depth), choice.picture],
        float(row["correlation"].item()),
        float(study.means.loc[choice.depth, choice.method]),
    )


def _judge(correlation):
    if correlation > 0.7:
        return "much the same"
    return "partly the same" if correlation > 0.3 else "another map"
