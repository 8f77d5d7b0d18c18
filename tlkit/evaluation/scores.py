"""Scores of predictions on a test set: the `Evaluation`, and proper scoring rules. Without torch."""

import dataclasses
import importlib

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import tlkit as tl
from tlkit.arguments import check_number, check_predictions, check_probabilities, check_shape

FLOOR = 1e-15


def measure_brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Compute the Brier score: squared errors, summed over classes and averaged over pictures.

    Parameters
    ----------
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.

    Returns
    -------
    float
        0 at best, 2 at worst; 1 - 1 / n_classes if all classes are equally probable.

    Raises
    ------
    TypeError, ValueError
        If `probabilities` are no probabilities, or `labels` are not their columns.

    Notes
    -----
    This is Brier's own form for several classes. For two classes it is twice the form that is often given.

    References
    ----------
    Brier 1950, Verification of forecasts expressed in terms of probability.

    Examples
    --------
    >>> measure_brier([[0.5, 0.5], [1.0, 0.0]], [0, 0])
    0.25
    """
    probabilities, labels = check_predictions(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def measure_log_loss(probabilities: ArrayLike, labels: ArrayLike, *, floor: float = FLOOR) -> float:
    """Compute the log loss (cross-entropy): the mean of -log of the true class's probability.

    Parameters
    ----------
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.
    floor : float, default 1e-15
        Lower limit of the true class's probability, 0 to 1; other classes are not rescaled. Without a limit (0), a
        single true class with probability 0 makes the loss infinite; by default it adds 34.5 nats.

    Returns
    -------
    float
        Loss in nats: 0 at best, log(n_classes) if all classes are equally probable.

    Raises
    ------
    TypeError, ValueError
        If `probabilities` are no probabilities, `labels` are not their columns, or `floor` is out of range.

    Examples
    --------
    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 0]), 3)
    0.347
    >>> round(measure_log_loss([[0.5, 0.5], [1.0, 0.0]], [0, 1]), 1), measure_log_loss([[1.0, 0.0]], [1], floor=0)
    (17.6, inf)
    """
    probabilities, labels = check_predictions(probabilities, labels)
    floor = check_number("floor", floor, at_least=0, at_most=1, hint=f", such as {FLOOR}")
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], floor)
    with np.errstate(divide="ignore"):  # with floor=0, log(0) is intended
        return float(-np.log(chosen).mean())


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on one test set, and their scores.

    Parameters
    ----------
    probabilities, labels : ndarray of shape (n, n_classes), and of int64, shape (n,)
        Predicted probabilities, and true classes as their columns.
    classes, names, groups : list of str, and two ndarrays of str, shape (n,)
        Names of the classes, and names and groups of the pictures.
    n_looks : int
        Number of evaluations of the run on this test set. A setting chosen after many looks scores too well.
    transductive : bool, default False
        Whether the network was adapted, without labels, to pictures of this set. On other pictures it may score lower.

    Examples
    --------
    >>> probabilities, labels = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]), np.array([0, 1, 1])
    >>> names = np.array(["a.png", "b.png", "c.png"])
    >>> evaluation = Evaluation(probabilities, labels, ["bird", "bug"], names, names, n_looks=1)
    >>> evaluation.confusion.tolist(), evaluation.balanced_accuracy
    ([[1, 0], [1, 1]], 0.75)
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: list[str]
    names: np.ndarray
    groups: np.ndarray
    n_looks: int
    transductive: bool = False

    @property
    def predicted(self) -> np.ndarray:
        """The class with the highest probability, (n,) int64."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of pictures predicted correctly."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes present, so that each class has the same weight."""
        right = self.predicted == self.labels
        return float(np.mean([right[self.labels == label].mean() for label in np.unique(self.labels)]))

    @property
    def brier(self) -> float:
        """Brier score, 0 at best and 2 at worst; see `measure_brier`."""
        return measure_brier(self.probabilities, self.labels)

    @property
    def log_loss(self) -> float:
        """Log loss in nats, 0 at best; see `measure_log_loss`."""
        return measure_log_loss(self.probabilities, self.labels)

    @property
    def confusion(self) -> np.ndarray:
        """Confusion matrix, (n_classes, n_classes) int64: rows are true classes, columns predicted ones."""
        return count_confusion(self.labels, self.predicted, len(self.classes))

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per picture: picture, group, label, predicted (class names), one probability per class."""
        classes = np.array(self.classes)
        shown = {"label": classes[self.labels], "predicted": classes[self.predicted]}
        table = pd.DataFrame({"picture": self.names, "group": self.groups} | shown)
        probabilities = pd.DataFrame(self.probabilities, columns=[f"probability_{name}" for name in classes])
        return pd.concat([table, probabilities], axis=1)

    def __repr__(self):
        looks = "" if self.n_looks == 1 else f", look number {self.n_looks} at this test set"
        adapted = ", transductive: adapted to pictures of this set" if self.transductive else ""
        shown = f"accuracy {self.accuracy:.3f}, balanced {self.balanced_accuracy:.3f}{looks}{adapted})"
        return f"Evaluation({len(self.labels)} pictures: {shown}"


def count_confusion(labels, predicted, n_classes):
    """Return the confusion matrix (n_classes, n_classes) int64 of labels (n,) and predictions (n,)."""
    return np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def evaluate_probabilities(
    probabilities: np.ndarray, images: "tl.ImageSet", n_looks: int = 1, *, transductive: bool = False
) -> "Evaluation | tl.evaluation.MultiLabelEvaluation":
    """Score predicted probabilities against the labels of an ImageSet.

    Parameters
    ----------
    probabilities, images : ndarray of shape (n, n_classes) and ImageSet
        Predicted probabilities, and the n test pictures in the same order.
    n_looks, transductive : int and bool
        As in `Evaluation`; by default one look, and no adaptation.

    Returns
    -------
    Evaluation
        The predictions with their scores; a `MultiLabelEvaluation` if pictures have several labels.

    Raises
    ------
    ValueError
        If `probabilities` have another shape or are no probabilities, or there are no pictures.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")[:4]
    >>> evaluate_probabilities(np.full((4, len(images.classes)), 1 / len(images.classes)), images).n_looks
    1
    """
    meaning = "one row per picture and one column per class"
    check_shape("probabilities", probabilities, (len(images), len(images.classes)), meaning)
    if len(images) == 0:
        raise ValueError("images: none, expected at least one picture to evaluate on")
    if images.labels.ndim == 2:
        several = importlib.import_module("tlkit.evaluation.multilabel_evaluation")
        return several.evaluate_labels(probabilities, images)
    probabilities = check_probabilities(probabilities)
    given = images.labels, list(images.classes), images.names, images.groups
    return Evaluation(probabilities, *given, n_looks, transductive)
