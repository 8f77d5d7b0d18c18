"""The cosine head: learned directions, and the angle to them."""

import dataclasses

import numpy as np

from tlkit.arguments import check_positive
from tlkit.heads.head import ABSENT_SCORE, Head
from tlkit.heads.numerics import limit_threads, softmax

N_ITERATIONS = 500  # at most
SHORTEST = 1e-12  # a vector below this length has no direction; as in torch's normalize


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CosineHead(Head):
    """A head whose scores are `sharpness` times the cosines to a direction of each class.

    Arguments
    ---------
    directions: (n_present, n_features) float64
        Of length 1.

    The others are those of `Head`.
    """

    directions: np.ndarray

    def module(self):
        """Return the head as a torch.nn.Module, with directions and sharpness as parameters."""
        from tlkit.heads.modules import CosineLayer

        directions, bias = self._spread(self.directions, np.zeros(len(self.present)))
        # Cosines reach from -1 to 1: below the lowest that a class that was seen can get.
        absent = bias == np.float32(ABSENT_SCORE)
        bias[absent] -= 2 * self.settings["sharpness"]
        return CosineLayer(directions, bias, self.settings["sharpness"])

    def _score_present(self, values):
        return self.settings["sharpness"] * normalise(values.astype(np.float64)) @ self.directions.T


def normalise(vectors):
    """Return (n, d) vectors divided by their lengths; one without length stays zero.

    >>> normalise(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SHORTEST)


def fit_cosine(features, *, sharpness=10.0):
    """Fit a direction for each class; scores are `sharpness` times the cosines between features and directions.

    Gidaris & Komodakis (2018, arXiv:1804.09458) and Chen et al. (2019, arXiv:1904.04232, "Baseline++"). They learn with
    stochastic gradients while the network learns, the former with a learned `sharpness` that starts at 10. Our
    departures, since the features are frozen: the directions start at the classes' means and the cross-entropy is
    minimised over all pictures at once by L-BFGS, to convergence; and `sharpness` is fixed, for a few pictures can
    always be told apart and it would grow without bound.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    sharpness: float
        More lets the probabilities be surer.

    Returns a `CosineHead`.
    """
    from scipy.optimize import minimize

    sharpness = check_positive("sharpness", sharpness)
    present, columns = np.unique(features.labels, return_inverse=True)
    units = normalise(features.values.astype(np.float64))
    targets = (columns[:, None] == np.arange(len(present))).astype(np.float64)
    start = normalise(targets.T @ units)
    with limit_threads(units):
        solved = minimize(
            measure_cosine_loss,
            start.ravel(),
            args=(units, targets, sharpness),
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": N_ITERATIONS},
        )
    directions = normalise(solved.x.reshape(start.shape))
    settings = {"sharpness": sharpness}
    return CosineHead("cosine", list(features.classes), present, units.shape[1], settings, directions)


def measure_cosine_loss(flat, units, targets, sharpness):
    """Return the mean cross-entropy of a cosine head and its gradient.

    Arguments
    ---------
    flat: (n_classes × n_features,) float64
        The directions, of any length.
    units: (n, n_features) float64
        Features of length 1.
    targets: (n, n_classes) float64
        1 at the picture's class, else 0.
    sharpness: float

    Returns float and (n_classes × n_features,).
    """
    vectors = flat.reshape(targets.shape[1], -1)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SHORTEST)
    directions = vectors / lengths
    probabilities = softmax(sharpness * units @ directions.T)
    loss = -np.mean(np.log(np.maximum(probabilities[targets > 0], np.finfo(np.float64).tiny)))
    slope = sharpness * (probabilities - targets).T @ units / len(units)
    # What points along a direction only makes it longer, which changes no cosine.
    slope -= (slope * directions).sum(axis=1, keepdims=True) * directions
    return loss, (slope / lengths).ravel()
