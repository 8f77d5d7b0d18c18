"""A linear head that is solved on features of one domain, for those of another as they are. Without torch."""

import dataclasses

import numpy as np

from tlkit.heads.head import ABSENT_SCORE
from tlkit.heads.logistic import L2_PENALTY, solve_logistic
from tlkit.heads.numerics import measure_scale, softmax


@dataclasses.dataclass(frozen=True, eq=False)
class Solved:
    """A linear head, and how it sees the source.

    Arguments
    ---------
    weight: (n_classes, d) float64
        For the target's features as they are.
    bias: (n_classes,) float64
    source: (n, d) float64
        The source's features, aligned: what the same head takes for them.
    """

    weight: np.ndarray
    bias: np.ndarray
    source: np.ndarray

    def predict(self, values):
        """Return (n, n_classes) probabilities of the target's features, or of `source`."""
        return softmax(values @ self.weight.T + self.bias)


def solve_head(values, labels, n_classes, *, l2_penalty=L2_PENALTY, weights=None):
    """Solve a logistic head on features as they are.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int
        Of two classes or more; pictures labelled -1 are left out.
    n_classes: int
    l2_penalty: float
        Of the penalty, as in `fit_logistic`.
    weights: (n,), optional
        How often each picture counts.

    Returns (weight, bias), (n_classes, d) and (n_classes,) float64, with a bias so low that it is never predicted for a
    class that isn't there.

    >>> weight, bias = solve_head(np.array([[-1.0], [1.0], [2.0]]), np.array([0, 2, 2]), 3, l2_penalty=0.1)
    >>> (np.array([[-1.0], [2.0]]) @ weight.T + bias).argmax(axis=1)
    array([0, 2])
    """
    labels = np.asarray(labels)
    known = labels >= 0
    present = np.unique(labels[known])
    if len(present) < 2:
        raise ValueError(f"labels: {known.sum()} pictures of {len(present)} class, expected two classes or more")
    values = np.asarray(values, np.float64)[known]
    scale = measure_scale(values)
    weights = None if weights is None else np.asarray(weights)[known]
    solved = solve_logistic(values / scale, labels[known], l2_penalty=l2_penalty, weights=weights)
    weight, bias = np.zeros((n_classes, values.shape[1])), np.full(n_classes, ABSENT_SCORE)
    weight[present], bias[present] = solved[0] / scale, solved[1]
    return weight, bias


def balance_classes(labels):
    """Return a weight a picture under which all classes count the same, with mean 1 over those labelled; 0 for -1."""
    known = labels >= 0
    counts = np.bincount(labels[known])
    n_present = np.sum(counts > 0)
    return np.where(known, known.sum() / n_present / np.maximum(counts[np.where(known, labels, 0)], 1), 0.0)
