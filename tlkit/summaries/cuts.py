"""One network cut behind several stages: accuracies of heads, and nearest neighbours of pictures, at each cut."""

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
    """A cut and a head by name, and the index of a picture."""

    cut: str
    head: str
    picture: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class CutComparison:
    """Features of the same pictures behind several stages, and accuracies of heads on them."""

    features: dict  # of str to Features: by the name of the cut, early to late
    table: object  # DataFrame, one row per measured head and cut: cut, head, accuracy, accuracy_low, accuracy_high

    def __post_init__(self):
        if not self.features:
            raise ValueError("features: empty, expected the Features of at least one cut, by its name")
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
            raise ValueError(f"table: {head} on {cut} occurs twice; keep the rows of one number of shots")

    @functools.cached_property
    def heads(self):
        """Names of the heads, in the order of the table."""
        return list(dict.fromkeys(self.table["head"]))

    @functools.cached_property
    def n_pictures(self):
        """Number of pictures."""
        return len(next(iter(self.features.values())))

    @functools.cached_property
    def shares(self):
        """{cut: share of pictures whose nearest neighbour has their class}."""
        return {cut: share_same_class(features) for cut, features in self.features.items()}

    def check(self, choice):
        """Raise ValueError if a choice is not available, TypeError if it has another type."""
        check_known("cut", [choice.cut], list(self.features))
        check_known("head", [choice.head], self.heads)
        check_count("picture", choice.picture, 0, self.n_pictures - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class CutSummary:
    """Accuracy of a head at a cut, and nearest neighbours of a picture there; `summarise_cut` makes one."""

    choice: CutChoice
    accuracy: float  # NaN if this head was not measured at this cut
    neighbors: np.ndarray  # (N_NEIGHBORS,) indices of the most similar pictures of other groups, nearest first
    same_class: np.ndarray  # (N_NEIGHBORS,) bool
    labels: list  # of str: of the picture, then of its neighbours
    sentence: str


def summarise_cut(cuts, choice):
    """Return the `CutSummary` of a choice of a `CutComparison`; similarity is by cosine."""
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
        score = f"{choice.head} behind {choice.cut}: accuracy {accuracy:.2f}{interval}."
    sentence = (
        f"{score} {same_class.sum()} of the {len(neighbors)} nearest neighbours of this picture belong to its class, "
        f"{labels[0]}; for {cuts.shares[choice.cut]:.0%} of all pictures the nearest neighbour does."
    )
    return CutSummary(choice, accuracy, neighbors, same_class, labels, sentence)
