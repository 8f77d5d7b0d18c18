"""`LinearHead`: one linear layer, whichever way it was fitted."""

import dataclasses

import numpy as np

from tlkit.heads.head import Head


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LinearHead(Head):
    """A head whose scores are `values @ weight.T + bias`.

    Arguments
    ---------
    weight: (n_present, n_features) float64
        In the unit of the features.
    bias: (n_present,) float64

    The others are those of `Head`.
    """

    weight: np.ndarray
    bias: np.ndarray

    def linear(self):
        return self._spread(self.weight, self.bias)

    def module(self):
        from tlkit.heads.modules import make_linear

        return make_linear(*self.linear())

    def _score_present(self, values):
        return values @ self.weight.T + self.bias


def split_pair(weight, bias):
    """Return the one row that scikit-learn keeps for two classes, the difference of their scores, as two rows.

    >>> split_pair(np.array([[2.0, 0.0]]), np.array([1.0]))[0].tolist()
    [[-1.0, -0.0], [1.0, 0.0]]
    """
    if len(weight) > 1:
        return weight, bias
    return np.stack([-weight[0], weight[0]]) / 2, np.array([-1, 1]) * bias / 2


def centre_scores(weight, bias):
    """Return a last layer whose scores have mean 0 over the classes: the probabilities stay the same.

    So the score of a class that wasn't seen lies far below the highest, wherever the features are.
    """
    return weight - weight.mean(axis=0), bias - bias.mean()
