"""`Head`: what every kind of head can do."""

import dataclasses

import numpy as np

from tlkit.arguments import check_finite
from tlkit.heads.numerics import pool, softmax

N_ROWS_AT_ONCE = 4096  # asked in blocks: the float64 copy of 100,000 pictures would take a gigabyte
ABSENT_SCORE = -30.0  # of a class that wasn't seen, where the others lie around 0: e⁻³⁰ is no probability


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Head:
    """A fitted head; `fit_head` makes one.

    Arguments
    ---------
    kind: str
    classes: list of str
        What the columns of its probabilities stand for; one that was not seen in training has probability 0.
    present: (n_present,) int
        The classes that were seen, as indices.
    n_features: int
        Of a picture; the channels of its maps for a convolutional head.
    settings: dict
        Of the fit. If the penalty was chosen, "l2_penalty" is the choice and "tried" has the held-out error of each.
    """

    kind: str
    classes: list
    present: np.ndarray
    n_features: int
    settings: dict

    n_dimensions = 2  # of the values that it takes

    def predict(self, values):
        """Return (n, n_classes) float64 probabilities of values.

        Arguments
        ---------
        values: (n, n_features), or maps (n, n_features, height, width)
            A convolutional head takes maps only; the others take their mean over each map.
        """
        values = self._check(np.asarray(values, dtype=np.float32))
        probabilities = np.zeros((len(values), len(self.classes)))
        for start in range(0, len(values), N_ROWS_AT_ONCE):
            rows = slice(start, start + N_ROWS_AT_ONCE)
            probabilities[rows, self.present] = softmax(self._score_present(values[rows]))
        return probabilities

    def score(self, features):
        """Return the share of `Features` whose class has the highest probability."""
        return float(np.mean(self.predict(features.values).argmax(axis=1) == features.labels))

    def linear(self):
        """Return a linear head as (weight, bias): (n_classes, n_features) and (n_classes,) float32.

        A class that was not seen in training gets a bias so low that it is never predicted. Raises ValueError for kinds
        that are no single linear layer.
        """
        raise ValueError(
            f"kind: a {self.kind} head is no linear layer; fit a 'logistic', 'ridge' or 'prototype' one, or take "
            "head.module()"
        )

    def module(self):
        """Return the head as a torch.nn.Module: (n, n_features) float32 to scores (n, n_classes).

        Their softmax is what `predict` says, so tuning that starts from it starts from the fitted head. A convolutional
        head takes maps (n, n_features, height, width).
        """
        raise NotImplementedError

    def _score_present(self, values):
        """Return (n, n_present) scores whose softmax are the probabilities."""
        raise NotImplementedError

    def _check(self, values):
        if self.n_dimensions == 2:
            values = pool(values)
        if values.ndim != self.n_dimensions or values.shape[1] != self.n_features:
            expected = {2: f"(n, {self.n_features})", 4: f"maps (n, {self.n_features}, height, width)"}
            raise ValueError(
                f"values: shape {values.shape}, expected {expected[self.n_dimensions]} of the backbone and stage that "
                "the head was fitted on"
            )
        check_finite("values", values)
        return values

    def _spread(self, weight, bias):
        """Return a last layer for the classes present as one for all classes, float32."""
        all_weights = np.zeros((len(self.classes), weight.shape[1]), np.float32)
        all_biases = np.full(len(self.classes), ABSENT_SCORE, np.float32)
        all_weights[self.present], all_biases[self.present] = weight, bias
        return all_weights, all_biases

    def __repr__(self):
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items() if name != "tried")
        return f"Head({self.kind}, {len(self.classes)} classes{settings})"
