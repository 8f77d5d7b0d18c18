"""Projections of features into the plane, and nearest neighbours among the features themselves."""

import numpy as np

from tlkit.arguments import check_count, check_finite, check_known
from tlkit.features.arrays import check_features
from tlkit.heads.numerics import limit_threads

METHODS = {"pca": "PCA", "tsne": "t-SNE"}
MIN_PICTURES = 4
USUAL_PERPLEXITY = 30
_MEMORY_MIB = 256  # of distances at a time
_N_COMPONENTS_BEFORE_TSNE = 50  # its authors first reduce to about 30 to 50 principal components


def project_features(features, method="pca"):
    """Return positions (n_samples, 2) float32 of features by "pca" or "tsne" (van der Maaten & Hinton 2008)."""
    check_known("method", method, METHODS)
    values = check_mappable(features)
    if method == "pca":
        return _reduce(values, 2)
    from sklearn.manifold import TSNE

    values = _reduce(values, min(_N_COMPONENTS_BEFORE_TSNE, *values.shape))
    with limit_threads(values):
        # Nothing is random, since t-SNE starts from the first two principal components.
        tsne = TSNE(2, perplexity=choose_perplexity(len(values)), init="pca", random_state=0)
        return tsne.fit_transform(values).astype(np.float32)


def choose_perplexity(n_pictures):
    """Return the perplexity for t-SNE, roughly its number of neighbours per picture: 30, less for few pictures."""
    return min(float(USUAL_PERPLEXITY), (n_pictures - 1) / 3)


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


def check_mappable(features):
    """Return the values (n_samples, n_features) of features that can be projected, else raise ValueError."""
    values = _check_pooled(features)
    if len(values) < MIN_PICTURES or values.shape[1] < 2:
        raise ValueError(
            f"features: {len(values)} pictures × {values.shape[1]} features, expected at least {MIN_PICTURES} × 2; "
            "take more pictures"
        )
    check_finite("features", values)
    if not np.ptp(values, axis=0).any():
        raise ValueError("features: the same for every picture, so there is nothing to map; check what was extracted")
    return values


def _check_pooled(features):
    """Return the values (n_samples, n_features) of pooled features, else raise ValueError."""
    check_features(features)
    if features.values.ndim != 2:
        raise ValueError(
            f"features: maps of shape {features.values.shape}, expected (n_samples, n_features); "
            "extract them with pooled=True"
        )
    return features.values


def _reduce(values, n_components):
    """Return the principal components (n_samples, n_components) float32 of values."""
    from sklearn.decomposition import PCA

    # ARPACK finds a few components exactly and fast, but can't find all. scikit-learn fixes the signs.
    solver = "arpack" if n_components < min(values.shape) else "full"
    with limit_threads(values):
        return PCA(n_components, svd_solver=solver, random_state=0).fit_transform(values).astype(np.float32)
