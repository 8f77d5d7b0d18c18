"""A linear head, solved on one domain's features for use on the unchanged features of another. Without torch."""

from typing import NamedTuple

import numpy as np

from tlkit.heads.head import ABSENT_SCORE
from tlkit.heads.logistic import L2_PENALTY, solve_logistic
from tlkit.heads.numerics import measure_scale, softmax, weigh_classes


class Solved(NamedTuple):
    """A linear head, (n_classes, d) weight and (n_classes,) bias, and the (n, d) aligned source it was solved on."""

    weight: np.ndarray
    bias: np.ndarray
    source: np.ndarray

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return (k, n_classes) probabilities for (k, d) features of the target, or for `source`."""
        return softmax(values @ self.weight.T + self.bias)


def solve_head(values, labels, n_classes, *, l2_penalty=L2_PENALTY, weights=None):
    """Return (n_classes, d) weight and (n_classes,) bias of a logistic head on (n, d) features without labels of -1."""
    labels = np.asarray(labels)
    known = labels >= 0
    present = np.unique(labels[known])
    if len(present) < 2:
        raise ValueError(f"labels: {known.sum()} pictures of {len(present)} class, expected two classes or more")
    values = np.asarray(values, np.float64)[known]
    scale = measure_scale(values)
    weights = None if weights is None else np.asarray(weights)[known]
    solved = solve_logistic(values / scale, labels[known], l2_penalty=l2_penalty, weights=weights)
    # Classes without pictures get a bias so low that they are never predicted.
    weight, bias = np.zeros((n_classes, values.shape[1])), np.full(n_classes, ABSENT_SCORE)
    weight[present], bias[present] = solved[0] / scale, solved[1]
    return weight, bias


def balance_classes(labels):
    """Return (n,) weights under which all classes count the same, with mean 1 over known labels and 0 for -1."""
    known = labels >= 0
    return np.where(known, weigh_classes(labels[known], labels.max() + 1)[labels], 0.0)
