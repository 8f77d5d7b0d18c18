"""`Head`: the common part of all kinds of head, and `LinearHead`, which several kinds share."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_finite, read_array
from tlkit.heads.numerics import pool, softmax

if TYPE_CHECKING:
    import torch

N_ROWS_AT_ONCE = 4096  # predicted in blocks: the float64 copy of 100,000 pictures would take a gigabyte
ABSENT_SCORE = -30.0  # of a class without training pictures, if the others lie around 0: e⁻³⁰ is no probability


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Head:
    """Hold a fitted head; `fit_head` makes one.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    classes : list of str
        Names of the columns of its probabilities. A class without training pictures has probability 0.
    present, n_features : numpy.ndarray and int
        (n_present,) int, indices of the classes with training pictures; and features per picture, or channels of maps.
    settings : dict
        Settings of the fit; of a chosen penalty, "l2_penalty", and all "tried", with their held-out errors.

    Examples
    --------
    >>> from tlkit.heads.ridge import fit_prototypes
    >>> names = np.array(["a", "b"])
    >>> features = tl.Features(np.eye(2, dtype=np.float32), np.array([0, 1]), ["bird", "bug"], names, names, {})
    >>> head = fit_prototypes(features)
    >>> head.predict([[1.0, 0.0]]).round(3)
    array([[1., 0.]])
    """

    kind: str
    classes: list[str]
    present: np.ndarray
    n_features: int
    settings: dict[str, Any]

    n_dimensions = 2  # of the values that it takes: 2 for features, 4 for maps
    _link = staticmethod(softmax)  # makes probabilities of scores (n, n_present)

    def predict(self, values: ArrayLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        values : array-like or Features
            (n, n_features), or maps (n, n_features, height, width), of which all but a convolutional head take means.

        Returns
        -------
        numpy.ndarray
            Float64 probabilities of shape (n, n_classes).
        """
        given = getattr(values, "values", values)  # a method of tensors
        values = self._check(read_array("values", values if callable(given) else given).astype(np.float32, copy=False))
        probabilities = np.zeros((len(values), len(self.classes)))
        for start in range(0, len(values), N_ROWS_AT_ONCE):
            rows = slice(start, start + N_ROWS_AT_ONCE)
            probabilities[rows, self.present] = self._link(self._score_present(values[rows]))
        check_finite("head: its probabilities", probabilities)
        return probabilities

    def score(self, features: Any) -> float:
        """Return the accuracy.

        Parameters
        ----------
        features : Features
            Features with labels, from the backbone and stage that the head was fitted on.

        Returns
        -------
        float
            Share of pictures whose class has the highest probability, 0 to 1.
        """
        if list(features.classes) != self.classes:
            expected = f"those of the head in their order, {', '.join(self.classes)}: use ImageSet.with_classes"
            raise ValueError(f"features: of the classes {', '.join(features.classes)}, expected {expected}")
        return float(np.mean(self.predict(features.values).argmax(axis=1) == features.labels))

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and bias of a linear head.

        A class without training pictures gets a bias so low that it is never predicted.

        Returns
        -------
        weight : numpy.ndarray
            Float32 of shape (n_classes, n_features).
        bias : numpy.ndarray
            Float32 of shape (n_classes,).

        Raises
        ------
        ValueError
            If the kind of head is not a single linear layer.
        """
        advice = "fit a 'logistic', 'ridge' or 'prototype' one, or take head.module()"
        raise ValueError(f"kind: a {self.kind} head is no linear layer; {advice}")

    def module(self) -> "torch.nn.Module":
        """Return the head as a torch module.

        The softmax of its scores equals `predict`, so tuning starts from the fitted head.

        Returns
        -------
        torch.nn.Module
            Maps (n, n_features) float32 features, or maps for a convolutional head, to (n, n_classes) scores.
        """
        raise NotImplementedError

    def _score_present(self, values):
        """Return (n, n_present) scores whose softmax gives the probabilities."""
        raise NotImplementedError

    def _check(self, values):
        """Return values in the shape that the head takes, or raise ValueError."""
        if self.n_dimensions == 2:
            values = pool(values)
        if values.ndim != self.n_dimensions or values.shape[1] != self.n_features:
            expected = {2: f"(n, {self.n_features})", 4: f"maps (n, {self.n_features}, height, width)"}
            shape = expected[self.n_dimensions]
            raise ValueError(f"values: shape {values.shape}, expected {shape} of the stage that the head was fitted on")
        check_finite("values", values)
        return values

    def _spread(self, weight, bias):
        """Return a last layer for the present classes as one for all classes, float32."""
        all_weights = np.zeros((len(self.classes), weight.shape[1]), np.float32)
        all_biases = np.full(len(self.classes), ABSENT_SCORE, np.float32)
        all_weights[self.present], all_biases[self.present] = weight, bias
        return all_weights, all_biases

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items() if name != "tried")
        return f"Head({self.kind}, {len(self.classes)} classes{settings})"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LinearHead(Head):
    """A head whose scores are `values @ weight.T + bias`."""

    weight: np.ndarray  # (n_present, n_features) float64, in the unit of the features
    bias: np.ndarray  # (n_present,) float64

    def linear(self):
        """Return weight and bias for all classes, (n_classes, n_features) and (n_classes,) float32."""
        return self._spread(self.weight, self.bias)

    def module(self):
        """Return the head as a torch.nn.Linear."""
        from tlkit.heads.modules import make_linear

        return make_linear(*self.linear())

    def _score_present(self, values):
        """Return (n, n_present) scores."""
        return values @ self.weight.T + self.bias


def split_pair(weight, bias):
    """Return one row for each of two classes, given the single row of differences that scikit-learn keeps."""
    if len(weight) > 1:
        return weight, bias
    return np.stack([-weight[0], weight[0]]) / 2, np.array([-1, 1]) * bias / 2


def centre_scores(weight, bias):
    """Return a last layer whose scores have mean 0 over the classes; the probabilities stay the same."""
    # Then ABSENT_SCORE lies far below the highest score for any features.
    return weight - weight.mean(axis=0), bias - bias.mean()
