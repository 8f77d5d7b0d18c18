"""A perceptron with one hidden layer."""

import dataclasses
import warnings

import numpy as np

from tlkit.arguments import check_count, check_positive
from tlkit.heads.head import Head
from tlkit.heads.linear import centre_scores, split_pair
from tlkit.heads.numerics import limit_threads, measure_scale


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PerceptronHead(Head):
    """A head with one hidden layer of rectified units.

    Arguments
    ---------
    hidden_weight: (n_hidden, n_features) float64
        In the unit of the features.
    hidden_bias: (n_hidden,) float64
    weight: (n_present, n_hidden) float64
    bias: (n_present,) float64

    The others are those of `Head`.
    """

    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def module(self):
        from torch import nn

        from tlkit.heads.modules import make_linear

        hidden = make_linear(self.hidden_weight, self.hidden_bias)
        return nn.Sequential(hidden, nn.ReLU(), make_linear(*self._spread(self.weight, self.bias)))

    def _score_present(self, values):
        hidden = np.maximum(values @ self.hidden_weight.T + self.hidden_bias, 0)
        return hidden @ self.weight.T + self.bias


def fit_perceptron(features, *, seed=0, n_hidden=64, l2_penalty=1.0, n_iterations=200):
    """Fit a hidden layer of rectified units and a last layer, by L-BFGS over all pictures at once.

    Nothing is held out to stop early: pictures of one group would lie on both sides. The penalty and the limit on
    iterations keep it from learning by heart.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    seed: int
        Of the weights it starts from.
    n_hidden: int
        Units of the hidden layer.
    l2_penalty: float
        Of the penalty, l2_penalty / 2 × the squared weights of both layers beside the summed cross-entropy, on features
        whose overall standard deviation is 1.
    n_iterations: int
        At most.

    Returns a `PerceptronHead`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    n_hidden = check_count("n_hidden", n_hidden, 1)
    n_iterations = check_count("n_iterations", n_iterations, 1)
    l2_penalty = check_positive("l2_penalty", l2_penalty)
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    centre = values.mean(axis=0, dtype=np.float64)
    estimator = MLPClassifier(
        (n_hidden,), solver="lbfgs", alpha=l2_penalty, max_iter=n_iterations, random_state=seed, tol=1e-6
    )
    with warnings.catch_warnings(), limit_threads(values):
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # the limit on iterations is meant
        estimator.fit(values - centre, features.labels)
    hidden_weight = estimator.coefs_[0].T
    hidden_bias = estimator.intercepts_[0] - hidden_weight @ centre
    weight, bias = centre_scores(*split_pair(estimator.coefs_[1].T, estimator.intercepts_[1]))
    return PerceptronHead(
        kind="mlp",
        classes=list(features.classes),
        present=np.unique(features.labels),
        n_features=values.shape[1],
        settings={"n_hidden": n_hidden, "l2_penalty": l2_penalty, "n_iterations": n_iterations},
        hidden_weight=hidden_weight / scale,
        hidden_bias=hidden_bias,
        weight=weight,
        bias=bias,
    )
