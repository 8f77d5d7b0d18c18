"""Scores of familiarity: how much a picture looks like those of the known classes. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_known
from tlkit.evaluation.rejection import scale_to_length_1, score_mahalanobis, square_distances
from tlkit.features.features import Features

SCORES = ("mahalanobis", "neighbors", "energy", "probability")
N_DIRECTIONS = 128
MAX_VALUES = 2**19  # 2 MiB of float32


def score_familiarity(score: str, values: ArrayLike, known: Features | None = None) -> np.ndarray:
    """Score how familiar pictures are, so that pictures of unknown classes can be told from known ones.

    Parameters
    ----------
    score : {"mahalanobis", "neighbors", "energy", "probability"}
        Score of familiarity:

        - mahalanobis [1]_: minus the squared distance of the features to the nearest class mean. A direction counts
          less if pictures of the same class differ along it.
        - neighbors [2]_: minus the distance of the features to the nearest known picture.
        - energy [3]_: the logarithm of the summed exponentials of the logits.
        - probability [4]_: the logarithm of the largest probability.
    values : array-like of shape (n, n_features) or (n, n_classes)
        Features of the pictures, or for energy and probability the outputs of the head before softmax (logits).
    known : Features, optional
        Features of known pictures, which mahalanobis and neighbors compare with.

    Returns
    -------
    ndarray of shape (n,)
        Familiarity; higher is more familiar. Scores of different names have different scales.

    Raises
    ------
    ValueError
        If the score is unknown, or needs known pictures.

    References
    ----------
    .. [1] Lee, Lee, Lee and Shin 2018, A simple unified framework for detecting out-of-distribution samples and
       adversarial attacks. Like Mueller and Hein 2025 (Mahalanobis++), we scale features to length 1 first. The shared
       covariance is that of the pictures in at most 128 directions, plus the mean variance in every direction. On few
       pictures, the plain one has no inverse.
    .. [2] Sun, Ming, Zhu and Li 2022, Out-of-distribution detection with deep nearest neighbors. We take the nearest
       neighbour, not the 50th, because classes here have few pictures.
    .. [3] Liu, Wang, Owens and Li 2020, Energy-based out-of-distribution detection; its sign is turned.
    .. [4] Hendrycks and Gimpel 2017, A baseline for detecting misclassified and out-of-distribution examples.

    Examples
    --------
    >>> score_familiarity("probability", [[2.0, 0.0], [0.0, 0.0]]).round(2)
    array([-0.13, -0.69])
    """
    check_known("score", [score], SCORES)
    values = np.asarray(values, dtype=np.float64)
    if score in ("energy", "probability"):
        largest = values.max(axis=1)
        energy = largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))
        return energy if score == "energy" else largest - energy
    if known is None:
        raise ValueError(f"known: None, but {score!r} compares with known pictures: give their Features")
    values, learned = scale_to_length_1(values), scale_to_length_1(known.values)
    if score == "neighbors":
        return -np.sqrt(square_distances(values, learned).min(axis=1))
    return score_mahalanobis(values, **fit_mahalanobis(learned, known.labels, find_basis(learned, known.labels)))


def find_basis(values, labels):
    """Return the directions (n_features, k) along which pictures of the same class differ most."""
    from sklearn.utils.extmath import randomized_svd

    n_most = MAX_VALUES // values.shape[1] - len(np.unique(labels))
    n_directions = max(1, min(N_DIRECTIONS, n_most, *values.shape))
    return randomized_svd(_find_centres(values, labels)[1], n_directions, random_state=0)[2].T


def fit_mahalanobis(values, labels, basis):
    """Return the tensors of a `Rejection` for features (n, n_features) of length 1."""
    centres, deviations = _find_centres(values, labels)
    mean_variance, along = np.mean(deviations**2) or 1.0, deviations @ basis
    variances, vectors = np.linalg.eigh(along.T @ along / len(along))
    variances = np.maximum(variances, 0.0)
    directions = basis @ (vectors * np.sqrt(variances / (variances + mean_variance)))
    return {"centres": centres.astype(np.float32), "directions": directions.astype(np.float32)}


def _find_centres(values, labels):
    """Return the mean of each class that has pictures, and the deviations of all pictures from theirs."""
    labels = np.unique(labels, return_inverse=True)[1]
    is_member = np.eye(labels.max() + 1)[labels]
    centres = is_member.T @ values / is_member.sum(axis=0)[:, None]
    return centres, values - centres[labels]
