"""The nearest neighbours' vote."""

import dataclasses

import numpy as np

from tlkit.arguments import check_count
from tlkit.heads.head import Head

# Copies of one picture lie at distances of rounding errors: from here on they count as equally near.
SMALLEST_DISTANCE = 1e-9


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NeighborsHead(Head):
    """A head that lets the pictures it was fitted on vote.

    Arguments
    ---------
    kept: (m, n_features) float32
        Features of the pictures that vote.
    labels: (m,) int
        Of these pictures.
    estimator: sklearn.neighbors.KNeighborsClassifier
        Fitted on them.

    The others are those of `Head`.
    """

    kept: np.ndarray
    labels: np.ndarray
    estimator: object

    def module(self):
        """Return the vote as a torch.nn.Module with the pictures' features as buffers: no parameter of its own.

        It has gradients in what it is asked, so a backbone below it can be tuned.
        """
        from tlkit.heads.modules import NeighborVotes

        return NeighborVotes(self.kept, self.labels, len(self.classes), self.estimator.n_neighbors, SMALLEST_DISTANCE)

    def _score_present(self, values):
        # In float64, and the features kept with it: 1 - cosine of two pictures much alike has few digits left.
        with np.errstate(divide="ignore"):  # a class without a vote: log 0
            return np.log(self.estimator.predict_proba(values.astype(np.float64)))


def weigh(distances):
    """Return the votes of neighbours at (n, k) distances: their inverse.

    >>> weigh(np.array([[0.5, 0.25]]))
    array([[2., 4.]])
    """
    return 1 / np.maximum(distances, SMALLEST_DISTANCE)


def fit_neighbors(features, *, n_neighbors=5):
    """Keep the features; the nearest by cosine vote, each with the inverse of its distance (1 - cosine).

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    n_neighbors: int
        No more than there are pictures are asked.

    Returns a `NeighborsHead`.
    """
    from sklearn.neighbors import KNeighborsClassifier

    n_neighbors = check_count("n_neighbors", n_neighbors, 1)
    values = features.values
    estimator = KNeighborsClassifier(min(n_neighbors, len(values)), metric="cosine", weights=weigh)
    estimator.fit(values, features.labels)
    return NeighborsHead(
        kind="knn",
        classes=list(features.classes),
        present=estimator.classes_,
        n_features=values.shape[1],
        settings={"n_neighbors": n_neighbors},
        kept=values,
        labels=features.labels,
        estimator=estimator,
    )
