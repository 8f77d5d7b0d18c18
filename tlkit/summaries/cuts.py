"""One network cut behind several stages: how well each head does there, and which pictures become neighbours."""

import dataclasses
import functools
import math

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.features.projection import find_neighbors, share_same_class

N_NEIGHBORS = 5
_COLUMNS = ("cut", "head", "accuracy", "accuracy_low", "accuracy_high")


@dataclasses.dataclass(frozen=True)
class CutChoice:
    """What to look at.

    Arguments
    ---------
    cut, head: str
    picture: int
        Its position among the pictures.
    """

    cut: str
    head: str
    picture: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Cuts:
    """Features of the same pictures behind several stages, and accuracies of heads on them.

    Arguments
    ---------
    features: dict of str to Features
        By the name of the cut, early to late.
    table: DataFrame
        cut, head, accuracy, accuracy_low, accuracy_high: a row each head on each cut that was measured.

    Raises ValueError for features of different pictures, a column that isn't there, a cut that the table names and
    that has no features, or a head that stands twice on one cut.
    """

    features: dict
    table: object

    def __post_init__(self):
        if not self.features:
            raise ValueError("features: empty, expected the Features of one cut or more, by its name")
        first, *others = self.features.items()
        for cut, features in others:
            if not np.array_equal(features.names, first[1].names):
                raise ValueError(
                    f"features: {cut} is of other pictures than {first[0]}; extract both from the same ImageSet"
                )
        for column in _COLUMNS:
            check_known("table", [column], list(self.table))
        check_known("table", self.table["cut"].tolist(), list(self.features))
        if self.table.duplicated(["head", "cut"]).any():
            head, cut = self.table[self.table.duplicated(["head", "cut"])][["head", "cut"]].iloc[0]
            raise ValueError(f"table: {head} on {cut} stands twice; keep the rows of one number of shots")

    @functools.cached_property
    def heads(self):
        """Names of the heads, in the order of the table."""
        return list(dict.fromkeys(self.table["head"]))

    @functools.cached_property
    def n_pictures(self):
        """How many pictures there are."""
        return len(next(iter(self.features.values())))

    @functools.cached_property
    def shares(self):
        """{cut: share of the pictures whose nearest neighbour is of their class}."""
        return {cut: share_same_class(features) for cut, features in self.features.items()}

    def check(self, choice):
        """Raise ValueError for a choice that isn't there, TypeError for one of another type."""
        check_known("cut", [choice.cut], list(self.features))
        check_known("head", [choice.head], self.heads)
        check_count("picture", choice.picture, 0, self.n_pictures - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class CutSummary:
    """What a choice of cut, head and picture comes to; `summarise_cut` makes one.

    Arguments
    ---------
    choice: CutChoice
    accuracy: float
        NaN where this head wasn't measured on this cut.
    neighbors: (N_NEIGHBORS,) int
        Positions of the pictures whose features are most alike, none of the picture's own group; nearest first.
    same_class: (N_NEIGHBORS,) bool
    labels: list of str
        Of the picture, then of its neighbours.
    sentence: str
    """

    choice: CutChoice
    accuracy: float
    neighbors: np.ndarray
    same_class: np.ndarray
    labels: list
    sentence: str


def summarise_cut(cuts, choice):
    """Look up a head's accuracy on a cut, and a picture's nearest neighbours by cosine there.

    Arguments
    ---------
    cuts: Cuts
    choice: CutChoice

    Returns a `CutSummary`. Raises ValueError for a choice that isn't there.
    """
    cuts.check(choice)
    features = cuts.features[choice.cut]
    neighbors, _ = find_neighbors(features, choice.picture, N_NEIGHBORS, other_groups=True)
    same_class = features.labels[neighbors] == features.labels[choice.picture]
    row = cuts.table[(cuts.table["cut"] == choice.cut) & (cuts.table["head"] == choice.head)]
    accuracy = row["accuracy"].item() if len(row) else math.nan
    labels = [features.classes[label] for label in features.labels[[choice.picture, *neighbors]]]
    score = f"{choice.head} behind {choice.cut}: not measured."
    if len(row):
        low, high = row["accuracy_low"].item(), row["accuracy_high"].item()
        interval = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
        score = f"{choice.head} behind {choice.cut}: {accuracy:.2f} of test pictures right{interval}."
    sentence = (
        f"{score} {same_class.sum()} of the {len(neighbors)} nearest neighbours of this picture are of its class, "
        f"{labels[0]}; over all pictures the nearest is in {cuts.shares[choice.cut]:.0%}."
    )
    return CutSummary(choice, accuracy, neighbors, same_class, labels, sentence)
