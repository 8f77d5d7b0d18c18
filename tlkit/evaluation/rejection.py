"""`Rejection`: "none of the above" for pictures that are unlike those of the known classes. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_number
from tlkit.heads.numerics import normalise


@dataclasses.dataclass(frozen=True, eq=False)
class Rejection:
    """A score of familiarity with its thresholds, as `fit_rejection` describes it."""

    score: str
    tensors: dict
    known: list
    default_share: float
    left_out: list
    auroc: float | None
    false_acceptance: float | None

    def familiarity(self, features):
        """Return the familiarity (n,) float64 of pictures by their features (n, n_features)."""
        return score_mahalanobis(normalise(np.asarray(features, np.float64)), **self.tensors)

    def find_threshold(self, share=None):
        """Return the familiarity below which a share of known pictures lies, by default the default share."""
        return find_threshold(self.known, self.default_share if share is None else check_share("reject", share))

    def reject(self, familiarity, share=None):
        """Return whether pictures are rejected, (n,) bool, by their familiarity."""
        return familiarity < self.find_threshold(share)

    def describe(self):
        """Return everything but the tensors as plain values, a dict."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "tensors"}


def check_share(argument, share):
    """Return a share of known pictures to reject as float, if it is one."""
    return check_number(argument, share, at_least=0, below=1, hint=", the share of known pictures to reject")


def find_threshold(known, share):
    """Return the value among sorted ones, or -inf, below which at most this share of new values is expected."""
    # A new picture is equally likely to have each rank among n known ones, so it is below the k-th with k / (n + 1).
    rank = int(share * (len(known) + 1) + 1e-9)
    return known[rank - 1] if rank else -np.inf


def score_mahalanobis(features, centres, directions):
    """Return minus the squared distance (n,) of features to the nearest centre, less its part along the directions."""
    # If the covariance is V diag(v) V' + t I, then t times its inverse is I - D D' with D = V diag(sqrt(v / (v + t))),
    # the directions. The factor t changes no order, and no matrix is larger than D.
    along = _square_distances(features @ directions, centres @ directions)
    return -(_square_distances(features, centres) - along).min(axis=1)


def _square_distances(rows, others):
    """Return the squared Euclidean distances (n, m) between (n, d) rows and (m, d) others."""
    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ others.T + (others**2).sum(axis=1)
    return np.maximum(squares, 0.0)
