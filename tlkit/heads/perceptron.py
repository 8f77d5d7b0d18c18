"""A perceptron with one hidden layer."""

import dataclasses

import numpy as np

from tlkit.arguments import check_count, check_number
from tlkit.cpu.threads import hide_warnings
from tlkit.heads.head import Head, centre_scores, split_pair
from tlkit.heads.numerics import limit_threads, measure_scale


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PerceptronHead(Head):
    """A head with one hidden layer of rectified units."""

    hidden_weight: np.ndarray  # (n_hidden, n_features) float64, in the unit of the features
    hidden_bias: np.ndarray  # (n_hidden,) float64
    weight: np.ndarray  # (n_present, n_hidden) float64
    bias: np.ndarray  # (n_present,) float64

    def module(self):
        """Return the head as a torch.nn.Sequential: linear, rectifier, linear."""
        from torch import nn

        from tlkit.heads.modules import make_linear

        hidden = make_linear(self.hidden_weight, self.hidden_bias)
        return nn.Sequential(hidden, nn.ReLU(), make_linear(*self._spread(self.weight, self.bias)))

    def _score_present(self, values):
        """Return (n, n_present) scores."""
        hidden = np.maximum(values @ self.hidden_weight.T + self.hidden_bias, 0)
        return hidden @ self.weight.T + self.bias


def fit_perceptron(features, *, seed=0, n_hidden=64, l2_penalty=1.0, n_iterations=200):
    """Fit a perceptron with one hidden layer on (n, d) `Features`."""
    # scikit-learn's L-BFGS minimises the summed cross-entropy plus l2_penalty / 2 × the squared weights of both layers.
    # Early stopping would put a group's pictures on both sides; the penalty and few iterations prevent overfitting.
    from sklearn.neural_network import MLPClassifier

    n_hidden = check_count("n_hidden", n_hidden, 1)
    n_iterations = check_count("n_iterations", n_iterations, 1)
    l2_penalty = check_number("l2_penalty", l2_penalty, above=0)
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    centre = values.mean(axis=0, dtype=np.float64)
    options = {"alpha": l2_penalty, "max_iter": n_iterations, "random_state": seed, "tol": 1e-6}
    estimator = MLPClassifier((n_hidden,), solver="lbfgs", **options)
    with hide_warnings("lbfgs failed to converge"), limit_threads(values):  # the limit on iterations is intended
        estimator.fit(values - centre, features.labels)
    hidden_weight = estimator.coefs_[0].T
    hidden_bias = estimator.intercepts_[0] - hidden_weight @ centre
    last = centre_scores(*split_pair(estimator.coefs_[1].T, estimator.intercepts_[1]))
    layers = (hidden_weight / scale, hidden_bias, *last)
    settings = {"n_hidden": n_hidden, "l2_penalty": l2_penalty, "n_iterations": n_iterations}
    present = np.unique(features.labels)
    return PerceptronHead("mlp", list(features.classes), present, values.shape[1], settings, *layers)
