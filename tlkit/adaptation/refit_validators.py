"""Validators that refit a method or repeat its predictions: circular validation and mixed samples. Without torch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.solved_objectives import Align, Reweigh
from tlkit.adaptation.source_validators import score_source_accuracy
from tlkit.arguments import check_number
from tlkit.features.arrays import check_labels, check_rows


def score_circular(
    method: Align | Reweigh,
    values: ArrayLike,
    labels: ArrayLike,
    target_values: ArrayLike,
    predicted: ArrayLike,
    n_classes: int,
    seed: int = 0,
) -> float:
    """Measure source accuracy after adapting back from the pseudo-labelled target (circular validation).

    Parameters
    ----------
    method : Align or Reweigh
        The objective, or any object with such a `fit`.
    values : (n, d) array_like
        Features of the source.
    labels : (n,) int array_like
        Labels of the source.
    target_values : (m, d) array_like
        Features of the target.
    predicted : (m,) int array_like
        Pseudo-labels of the target: the classes predicted by the method after adapting to the target.
    n_classes : int
        Number of classes.
    seed : int, default 0
        Seed of the fit.

    Returns
    -------
    float
        Balanced accuracy on the source, 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If `method` isn't an objective, or labels don't match the features.

    Notes
    -----
    Mistakes on the target come back as mistakes on the source, unless both ways are wrong alike.

    References
    ----------
    Bruzzone and Marconcini, 2010. Domain adaptation problems: a DASVM classification technique and a circular
    validation strategy.

    Examples
    --------
    >>> from tlkit.adaptation import Align
    >>> random = np.random.default_rng(0)
    >>> labels = np.arange(40) % 2
    >>> values = random.normal(size=(40, 3)) + 4 * labels[:, None]
    >>> score_circular(Align("mean"), values, labels, values + 9, labels, 2)
    1.0
    >>> score_circular(Align("mean"), values, labels, values + 9, 1 - labels, 2)
    0.0
    """
    if not hasattr(method, "fit"):
        raise TypeError(
            f"method: {method!r}, expected an objective of tlkit.adaptation.solved_objectives, such as Align('coral')"
        )
    check_labels(predicted, "predicted", n_rows=len(target_values))
    predicted = np.asarray(predicted)
    present = np.unique(predicted)
    if len(present) < 2:  # no head can be fitted: predict that class for the source too
        probabilities = np.tile(np.eye(n_classes)[present[0]], (len(labels), 1))
    else:
        probabilities = method.fit(target_values, predicted, values, n_classes, seed).predict(values)
    return score_source_accuracy(probabilities, labels)


def score_mixed(
    predict: Callable[[np.ndarray], np.ndarray], target_values: ArrayLike, mixing_ratio: float = 0.55, seed: int = 0
) -> float:
    """Measure how often a picture mixed with a little less of another keeps its predicted class.

    Parameters
    ----------
    predict : callable
        Takes (m, d) features and returns (m, n_classes) probabilities.
    target_values : (m, d) array_like
        Features of the target.
    mixing_ratio : float, default 0.55
        Share of the first picture, above 0.5 and below 1.
    seed : int, default 0
        Seed that draws the second pictures.

    Returns
    -------
    float
        The rate, 0 to 1. Pairs predicted as one class and pairs predicted as two count the same.

    Raises
    ------
    TypeError, ValueError
        If `predict` isn't callable, or the features or ratio are invalid.

    Notes
    -----
    Pairs of one class test whether points between them belong to that class too; pairs of two test whether the decision
    boundary lies halfway. The paper mixes pictures; we mix features, as skada does.

    References
    ----------
    Hu et al., 2023. Mixed samples as probes for unsupervised model selection in domain adaptation.

    Examples
    --------
    >>> values = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    >>> score_mixed(lambda values: np.hstack([values < 0, values >= 0]).astype(float), values)
    1.0
    """
    if not callable(predict):
        raise TypeError(f"predict: a {type(predict).__name__}, expected a function such as a head's predict")
    target_values = check_rows("target_values", target_values)
    mixing_ratio = check_number("mixing_ratio", mixing_ratio, above=0.5, below=1)
    order = np.random.RandomState(seed).permutation(len(target_values))  # the same draw as skada's, for comparison
    first = predict(target_values).argmax(axis=1)
    mixed = predict(mixing_ratio * target_values + (1 - mixing_ratio) * target_values[order]).argmax(axis=1)
    same = first == first[order]
    return float(np.mean([(mixed == first)[rows].mean() for rows in (same, ~same) if rows.any()]))
