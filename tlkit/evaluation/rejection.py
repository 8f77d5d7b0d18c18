"""`Rejection`: "none of the above" for pictures that are unlike those of the known classes. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_number


@dataclasses.dataclass(frozen=True, eq=False)
class Rejection:
    """Measure how familiar pictures are, and reject the least familiar ones; `fit_rejection` makes one.

    Familiarity is minus the squared distance of the features to the nearest class mean, in which directions count less
    if pictures of the same class differ along them; see `score_familiarity`.

    Parameters
    ----------
    score : {"mahalanobis"}
        Score of familiarity.
    tensors : dict of str to ndarray of float32
        "centres" (n_classes, n_features) and "directions" (n_features, n_directions), at most 2 MiB together unless
        there are very many classes.
    known : list of float
        Sorted familiarity of held-out pictures of the known classes.
    default_share : float
        Share of known pictures that is rejected by default.
    left_out : list of dict
        One entry per class, judged as if it were unknown: class (str), n (int, its pictures), auroc (float), and
        false_acceptance (float, share of its pictures that are accepted at the default share).
    auroc, false_acceptance : float or None
        Means over the left-out classes; None if there are fewer than three classes.

    Examples
    --------
    >>> tensors = {"centres": np.eye(2, dtype=np.float32), "directions": np.zeros((2, 1), dtype=np.float32)}
    >>> rejection = Rejection("mahalanobis", tensors, [-0.9, -0.5, -0.1], 0.25, [], None, None)
    >>> familiarity = rejection.familiarity(np.array([[3.0, 0.0], [-1.0, 0.0]]))
    >>> familiarity.tolist(), rejection.reject(familiarity).tolist()
    ([-0.0, -2.0], [False, True])
    """

    score: str
    tensors: dict[str, np.ndarray]
    known: list[float]
    default_share: float
    left_out: list[dict]
    auroc: float | None
    false_acceptance: float | None

    def familiarity(self, features: np.ndarray, logits: np.ndarray | None = None) -> np.ndarray:
        """Return the familiarity (n,) float64 of pictures by their features (n, n_features); logits are not used."""
        return score_mahalanobis(scale_to_length_1(features), **self.tensors)

    def find_threshold(self, share: float | None = None) -> float:
        """Return the familiarity below which pictures are rejected, by default for the default share."""
        return find_threshold(self.known, self.default_share if share is None else check_share("reject", share))

    def reject(self, familiarity: np.ndarray, share: float | None = None) -> np.ndarray:
        """Return whether pictures are rejected, (n,) bool, by their familiarity."""
        return familiarity < self.find_threshold(share)

    def describe(self) -> dict:
        """Return everything but the tensors as plain values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "tensors"}


def check_share(argument, share):
    """Return a share of known pictures to reject as float, if it is one."""
    return check_number(argument, share, at_least=0, below=1, hint=", the share of known pictures to reject")


def find_threshold(known, share):
    """Return the value among sorted ones, or -inf, below which at most this share of new values is expected."""
    # A new picture is equally likely to have each rank among n known ones, so it is below the k-th with k / (n + 1).
    rank = int(share * (len(known) + 1) + 1e-9)
    return known[rank - 1] if rank else -np.inf


def scale_to_length_1(features):
    """Return features (n, n_features) as float64, each row divided by its length; rows of zeros stay."""
    features = np.asarray(features, dtype=np.float64)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def score_mahalanobis(features, centres, directions):
    """Return minus the squared distance (n,) of features to the nearest centre, less its part along the directions."""
    # If the covariance is V diag(v) V' + t I, then t times its inverse is I - D D' with D = V diag(sqrt(v / (v + t))),
    # the directions. The factor t changes no order, and no matrix is larger than D.
    along = square_distances(features @ directions, centres @ directions)
    return -(square_distances(features, centres) - along).min(axis=1)


def square_distances(rows, others):
    """Return the squared Euclidean distances (n, m) between (n, d) rows and (m, d) others."""
    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ others.T + (others**2).sum(axis=1)
    return np.maximum(squares, 0.0)
