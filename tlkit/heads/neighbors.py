"""The nearest-neighbour head."""

import dataclasses

import numpy as np

from tlkit.arguments import check_count
from tlkit.heads.head import Head

# Copies of one picture lie at distances of rounding errors: if they are nearer than this, they count as equally near.
SMALLEST_DISTANCE = 1e-9


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NeighborsHead(Head):
    """A head in which the nearest training pictures vote."""

    kept: np.ndarray  # (m, n_features) float32, features of the training pictures
    labels: np.ndarray  # (m,) int
    estimator: object  # a fitted sklearn.neighbors.KNeighborsClassifier

    def module(self):
        """Return the vote as a torch.nn.Module without parameters; the training features are buffers."""
        # It has gradients with respect to its input, so a backbone below it can be tuned.
        from tlkit.heads.modules import NeighborVotes

        return NeighborVotes(self.kept, self.labels, len(self.classes), self.estimator.n_neighbors, SMALLEST_DISTANCE)

    def _score_present(self, values):
        """Return (n, n_present) logarithms of the shares of votes."""
        # In float64, like the training features: 1 - cosine of two very similar pictures has few digits left.
        with np.errstate(divide="ignore"):  # a class without a vote: log 0
            return np.log(self.estimator.predict_proba(values.astype(np.float64)))


def weigh(distances):
    """Return the votes of neighbours at (n, k) distances: their inverse."""
    return 1 / np.maximum(distances, SMALLEST_DISTANCE)


def fit_neighbors(features, *, n_neighbors=5):
    """Keep (n, d) `Features`; the nearest vote, each weighted by the inverse of its cosine distance."""
    from sklearn.neighbors import KNeighborsClassifier

    n_neighbors = check_count("n_neighbors", n_neighbors, 1)
    values = features.values
    estimator = KNeighborsClassifier(min(n_neighbors, len(values)), metric="cosine", weights=weigh)
    estimator.fit(values, features.labels)
    classes, present, settings = list(features.classes), estimator.classes_, {"n_neighbors": n_neighbors}
    return NeighborsHead("knn", classes, present, values.shape[1], settings, values, features.labels, estimator)
