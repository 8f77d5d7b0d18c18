"""Suspected label errors: pictures that a head not trained on them assigns confidently to another class."""

import numpy as np
import pandas as pd

from tlkit.arguments import check_count, check_finite, check_one_label
from tlkit.features.arrays import check_features
from tlkit.features.features import Features
from tlkit.heads.kinds import fit_head
from tlkit.heads.logistic import L2_PENALTY
from tlkit.heads.numerics import pool
from tlkit.images.splits import assign_folds


def find_label_errors(
    features: Features, *, n_folds: int = 5, seed: int = 0, l2_penalty: float = L2_PENALTY
) -> pd.DataFrame:
    """Rank pictures by how likely their label is wrong, most suspicious first.

    A suspect may be mislabelled, show two things, or just be hard. Look at it before you change its label.

    Parameters
    ----------
    features : Features
        Features of pictures with at least two labels.
    n_folds, seed : int
        Number of folds of the cross-validation, by default 5, which keep groups together, and their seed.
    l2_penalty : float, default 10.0
        Penalty of the linear probe, as in `tlkit.heads.logistic.fit_logistic`.

    Returns
    -------
    DataFrame
        One row per picture, sorted by probability:

        - picture, group, label (str): the picture and its label.
        - suggested (str): most probable other class.
        - probability, suggested_probability (float): predicted probabilities of the two.
        - margin (float): the first minus the second, -1 to 1; sorting by it finds more errors between similar classes.
        - confident (bool): whether the label is wrong by the rule of confident learning.

    Raises
    ------
    ValueError
        If groups or pictures of the largest class are fewer than folds, or a fold leaves one class for training.

    Notes
    -----
    A linear probe trained on the other folds predicts each picture. A low probability of its label is suspicious: the
    self-confidence of the paper. `confident` compares probabilities with the class's mean probability among pictures of
    that label: the label is wrong if another class passes this threshold with the highest probability. Unlike the
    paper, we use a linear probe on frozen features instead of a network trained on the data, and remove no picture.

    References
    ----------
    Northcutt, Jiang and Chuang 2021, Confident learning: estimating uncertainty in dataset labels.

    Examples
    --------
    >>> values, labels = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0), np.repeat([0, 1], 10)
    >>> labels[3] = 1
    >>> names = np.array([f"{number}.png" for number in range(20)])
    >>> find_label_errors(tl.Features(values, labels, ["bird", "bug"], names, names, {})).picture[0]
    '3.png'
    """
    check_one_label("features", features)
    probabilities = predict_by_cross_validation(features, n_folds=n_folds, seed=seed, l2_penalty=l2_penalty)
    labels, classes = features.labels, np.array(features.classes)
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1)
    table = pd.DataFrame(
        {
            "picture": features.names,
            "group": features.groups,
            "label": classes[labels],
            "suggested": classes[suggested],
            "probability": own,
            "suggested_probability": others[rows, suggested],
            "margin": own - others[rows, suggested],
            "confident": find_confident(probabilities, labels),
        }
    )
    # Ties are sorted by name, so that the result does not depend on the order of the pictures.
    return table.sort_values(["probability", "picture"], ignore_index=True)


def predict_by_cross_validation(features, *, n_folds=5, seed=0, l2_penalty=L2_PENALTY):
    """Return probabilities (n, n_classes) of each picture by a linear probe trained on the other folds."""
    n_folds, seed = check_count("n_folds", n_folds, 2), check_count("seed", seed, 0)
    check_features(features)
    check_finite("features", features.values)
    folds = assign_folds(features.labels, features.groups, n_folds, seed)
    probabilities = np.empty((len(features), len(features.classes)))
    for fold in np.unique(folds):
        head = fit_head(features[folds != fold], l2_penalty=l2_penalty)
        probabilities[folds == fold] = head.predict(pool(features.values[folds == fold]))
    return probabilities


def find_confident(probabilities, labels):
    """Return which labels are wrong, (n,) bool, by confident learning from held-out probabilities (n, n_classes)."""
    # Northcutt et al. 2021, section 3.1. A class passes if its probability is at least its mean over the pictures with
    # that label. The label is wrong if the most probable passing class is another one; if none passes, it stands.
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    thresholds = np.full(probabilities.shape[1], np.inf)  # a class without labelled pictures never passes
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    passing = np.where(probabilities >= thresholds, probabilities, -1.0)
    return (passing.max(axis=1) >= 0) & (passing.argmax(axis=1) != labels)
