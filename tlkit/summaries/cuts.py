"""One network cut behind several stages: accuracies of heads, and nearest neighbours of pictures, at each cut."""

import collections
import dataclasses
import functools
import math

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.features.arrays import check_features
from tlkit.heads.numerics import limit_threads

N_NEIGHBORS = 5
_COLUMNS = ("cut", "head", "accuracy", "accuracy_low", "accuracy_high")
# A cut and a head by name, and the index of a picture.
CutChoice = collections.namedtuple("CutChoice", "cut head picture", defaults=(0,))


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
                raise ValueError(f"features: {cut} is of other pictures than {first[0]}; take both from one ImageSet")
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

    @functools.cached_property
    def scores(self):
        """{(cut, head): row of the table, a dict}; one that wasn't measured is not there."""
        return {(row["cut"], row["head"]): row for row in self.table.to_dict("records")}


@dataclasses.dataclass(frozen=True, eq=False)
class CutSummary:
    """Accuracy of a head at a cut, and nearest neighbours of a picture there; `summarise_cut` makes one."""

    choice: CutChoice
    accuracy: float  # NaN if this head was not measured at this cut
    neighbors: np.ndarray  # (N_NEIGHBORS,) indices of the most similar pictures of other groups, nearest first
    similarities: np.ndarray  # (N_NEIGHBORS,) cosines of their features with the picture's
    same_class: np.ndarray  # (N_NEIGHBORS,) bool
    labels: list  # of str: of the picture, then of its neighbours
    sentence: str


def format_cut_score(cuts, cut, head):
    """Return the accuracy of a head at a cut, with its interval, in words."""
    row = cuts.scores.get((cut, head))
    if row is None:
        return f"{head} at cut {cut}: not measured"
    low, high = row["accuracy_low"], row["accuracy_high"]
    interval = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    return f"{head} at cut {cut}: accuracy {row['accuracy']:.2f}{interval}"


def summarise_cut(cuts, choice):
    """Return the `CutSummary` of a choice of a `CutComparison`; similarity is by cosine."""
    features, score = cuts.features[choice.cut], cuts.scores.get((choice.cut, choice.head))
    neighbors, similarities = find_neighbors(features, choice.picture, N_NEIGHBORS)
    same_class = features.labels[neighbors] == features.labels[choice.picture]
    labels = [features.classes[label] for label in features.labels[[choice.picture, *neighbors]]]
    sentence = (
        f"{format_cut_score(cuts, choice.cut, choice.head)}. {same_class.sum()} of the {len(neighbors)} nearest "
        f"neighbours of this picture belong to its class, {labels[0]}; for {cuts.shares[choice.cut]:.0%} of all "
        "pictures the nearest neighbour does."
    )
    accuracy = score["accuracy"] if score else math.nan
    return CutSummary(choice, accuracy, neighbors, similarities, same_class, labels, sentence)


_MEMORY_MIB = 256  # of distances at a time


def find_neighbors(features, index, n_neighbors=5):
    """Return (indices, cosine similarities) of the pictures of other groups that are most similar to one."""
    values = _check_pooled(features)
    n_neighbors = check_count("n_neighbors", n_neighbors, 1)
    index = check_count("index", index, 0, len(features) - 1)
    rows = np.flatnonzero(features.groups != features.groups[index])
    if not len(rows):
        return rows, np.empty(0)
    from sklearn.neighbors import NearestNeighbors

    # In float64, since 1 - cosine of two similar pictures has few digits left.
    search = NearestNeighbors(n_neighbors=min(n_neighbors, len(rows)), metric="cosine", algorithm="brute")
    with limit_threads(values):
        search.fit(values[rows].astype(np.float64))
        distances, found = search.kneighbors(values[[index]].astype(np.float64))
    return rows[found[0]], 1 - distances[0]


def share_same_class(features):
    """Return the share of pictures whose nearest neighbour of another group has the same class; NaN if none has one."""
    values = _check_pooled(features)
    from sklearn.metrics import pairwise_distances_chunked

    groups = np.unique(features.groups, return_inverse=True)[1]

    def compare(distances, start):
        own = groups[start : start + len(distances), None] == groups
        distances[own] = np.inf
        nearest = distances.argmin(axis=1)
        agrees = features.labels[start : start + len(distances)] == features.labels[nearest]
        return np.where(own.all(axis=1), np.nan, agrees)

    with limit_threads(values):
        settings = {"metric": "cosine", "reduce_func": compare, "working_memory": _MEMORY_MIB}
        same = list(pairwise_distances_chunked(values.astype(np.float64), **settings))
    same = np.concatenate(same)
    return float(np.nanmean(same)) if not np.isnan(same).all() else float("nan")


def _check_pooled(features):
    """Return the values (n_samples, n_features) of pooled features, else raise ValueError."""
    check_features(features)
    if features.values.ndim != 2:
        raise ValueError(f"features: maps of shape {features.values.shape}, expected (n, n_features): use pooled=True")
    return features.values
