"""Validators that ask a method once more: does it find back, and does it hold between pictures? Without torch."""

import numpy as np

from tlkit.adaptation.validators import score_source_accuracy
from tlkit.arguments import check_labels, check_rows


def score_circular(method, values, labels, target_values, predicted, n_classes, seed=0):
    """Return how well the method finds back: adapted from the target, labelled as it said, to the source.

    Bruzzone and Marconcini 2010 (Domain adaptation problems: a DASVM classification technique and a circular validation
    strategy). What was wrong on the target comes back as wrong on the source, unless both ways are wrong alike.

    Arguments
    ---------
    method: objective of `tlkit.adaptation.solved_objectives`
    values: (n, d)
        Features of the source.
    labels: (n,) int
    target_values: (m, d)
    predicted: (m,) int
        What the method, adapted to the target, says of its pictures.
    n_classes: int
    seed: int

    Returns the balanced accuracy on the source (float, 0 to 1). Raises TypeError or ValueError, naming the argument,
    for what can't be a method, or one label a picture.

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
    said = np.unique(predicted)
    if len(said) < 2:  # one class for all pictures, then for those of the source too
        back = np.tile(np.eye(n_classes)[said[0]], (len(labels), 1))
    else:
        back = method.fit(target_values, predicted, values, n_classes, seed).predict(values)
    return score_source_accuracy(back, labels)


def score_mixed(predict, target_values, share=0.55, seed=0):
    """Return how often a picture mixed with a little less of another one is still said to be what the first was.

    Hu et al. 2023 (Mixed samples as probes for unsupervised model selection in domain adaptation), who mix pictures; we
    mix their features, as skada does. Pairs said to be of one class and pairs of two count the same: the first tell
    whether what is between is of that class too, the second whether the border lies half-way.

    Arguments
    ---------
    predict: callable that takes (m, d) features and returns (m, n_classes) probabilities
    target_values: (m, d)
    share: float
        Of the first picture, above 0.5 and below 1.
    seed: int
        Of the draw of the others.

    Returns a float, 0 to 1. Raises TypeError or ValueError, naming the argument, for what can't be asked or mixed.

    >>> values = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    >>> border_in_the_middle = lambda values: np.hstack([values < 0, values >= 0]).astype(float)
    >>> score_mixed(border_in_the_middle, values)
    1.0
    """
    if not callable(predict):
        raise TypeError(f"predict: a {type(predict).__name__}, expected a function such as a head's predict")
    target_values = check_rows("target_values", target_values)
    if not 0.5 < share < 1:
        raise ValueError(f"share: {share!r}, expected more than 0.5 and less than 1, of the picture that decides")
    order = np.random.RandomState(seed).permutation(len(target_values))  # skada's draw, to be compared with it
    first = predict(target_values).argmax(axis=1)
    mixed = predict(share * target_values + (1 - share) * target_values[order]).argmax(axis=1)
    same = first == first[order]
    return float(np.mean([(mixed == first)[rows].mean() for rows in (same, ~same) if rows.any()]))
