"""The cosine head: trained directions, and the cosines between features and directions."""

import dataclasses

import numpy as np

from tlkit.arguments import check_number
from tlkit.heads.head import ABSENT_SCORE, Head
from tlkit.heads.numerics import SHORTEST, limit_threads, normalise, softmax

N_ITERATIONS = 500  # at most


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CosineHead(Head):
    """A head whose scores are `sharpness` × the cosines to one direction per class."""

    directions: np.ndarray  # (n_present, n_features) float64, of length 1

    def module(self):
        """Return the head as a torch.nn.Module, with directions and sharpness as parameters."""
        from tlkit.heads.modules import CosineLayer

        directions, bias = self._spread(self.directions, np.zeros(len(self.present)))
        # Cosines range from -1 to 1: move absent classes below the lowest score that a present class can get.
        absent = bias == np.float32(ABSENT_SCORE)
        bias[absent] -= 2 * self.settings["sharpness"]
        return CosineLayer(directions, bias, self.settings["sharpness"])

    def _score_present(self, values):
        """Return (n, n_present) scores."""
        return self.settings["sharpness"] * normalise(values.astype(np.float64)) @ self.directions.T


def fit_cosine(features, *, sharpness=10.0):
    """Fit one direction per class on (n, d) `Features` (Gidaris & Komodakis 2018, Chen et al. 2019)."""
    # The papers train by stochastic gradients together with the network. Here the features are frozen: directions start
    # at the class means, and L-BFGS minimises the cross-entropy over all pictures at once. `sharpness` is fixed, since
    # it would grow without bound whenever the classes can be separated.
    from scipy.optimize import minimize

    sharpness = check_number("sharpness", sharpness, above=0)
    present, columns = np.unique(features.labels, return_inverse=True)
    units = normalise(features.values.astype(np.float64))
    targets = (columns[:, None] == np.arange(len(present))).astype(np.float64)
    start = normalise(targets.T @ units)
    with limit_threads(units):
        method = {"method": "L-BFGS-B", "jac": True, "options": {"maxiter": N_ITERATIONS}}
        solved = minimize(measure_cosine_loss, start.ravel(), args=(units, targets, sharpness), **method)
    directions = normalise(solved.x.reshape(start.shape))
    settings = {"sharpness": sharpness}
    return CosineHead("cosine", list(features.classes), present, units.shape[1], settings, directions)


def measure_cosine_loss(flat, units, targets, sharpness):
    """Return mean cross-entropy and gradient at flat (k × d,) directions, for (n, d) unit features, (n, k) one-hot."""
    vectors = flat.reshape(targets.shape[1], -1)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SHORTEST)
    directions = vectors / lengths
    probabilities = softmax(sharpness * units @ directions.T)
    loss = -np.mean(np.log(np.maximum(probabilities[targets > 0], np.finfo(np.float64).tiny)))
    slope = sharpness * (probabilities - targets).T @ units / len(units)
    # A component along a direction only changes its length, which changes no cosine.
    slope -= (slope * directions).sum(axis=1, keepdims=True) * directions
    return loss, (slope / lengths).ravel()
