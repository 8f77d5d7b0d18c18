"""Nearest neighbours among features, by cosine similarity, without pictures of the same group."""

import numpy as np

from tlkit.arguments import check_count
from tlkit.features.arrays import check_features
from tlkit.heads.numerics import limit_threads

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
        raise ValueError(
            f"features: maps of shape {features.values.shape}, expected (n_samples, n_features); "
            "extract them with pooled=True"
        )
    return features.values
