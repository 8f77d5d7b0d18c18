"""Pictures whose label is likely to be wrong: those that a head which never saw them is sure of otherwise."""

import numpy as np

from tlkit.arguments import check_count, check_finite
from tlkit.features.features import check_features
from tlkit.heads.kinds import fit_head
from tlkit.heads.logistic import L2_PENALTY
from tlkit.heads.numerics import pool
from tlkit.images.splits import assign_folds


def find_label_errors(features, *, n_folds=5, seed=0, l2_penalty=L2_PENALTY):
    """Sort pictures by how likely it is that their label is wrong, the most suspicious first.

    Each picture is judged by a linear probe that learned from the other folds, groups whole on one side. A picture is
    the more suspicious the less probable its own label is: the self-confidence of Northcutt, Jiang and Chuang 2021
    (Confident learning: estimating uncertainty in dataset labels). `margin` is their other score, and finds more where
    labels were mixed up with classes that look alike: sort by it there. `confident` is their rule for which pictures
    are wrong: the likeliest of the classes whose probability is as high as it is, on average, for the pictures with
    that label, is another than its label. We depart from them in the probabilities, which are a linear probe's on
    features of a frozen network instead of those of a network that was trained for it; and we sort all pictures,
    whatever the rule says, and drop none.

    A suspect may be a wrong label, a picture of two things, or one that is just hard: look at it before it is changed.

    Arguments
    ---------
    features: Features
        Of pictures with two labels or more.
    n_folds: int
        Learning from more of the pictures at a time takes longer.
    seed: int
        Of the folds.
    l2_penalty: float
        Of the probe's penalty, as in `tlkit.heads.logistic.fit_logistic`.

    Returns a DataFrame, a row a picture: picture, group, label, suggested (the likeliest other class), probability (of
    the label), suggested_probability, margin (the one less the other, -1 to 1), confident (bool). Raises ValueError
    where there are fewer groups, or pictures in the largest class, than folds, and where a fold leaves one class to
    learn.

    >>> from tlkit.features.features import Features
    >>> values = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0).astype(np.float32)
    >>> names, labels = np.array([f"{number}.png" for number in range(20)]), np.repeat([0, 1], 10)
    >>> labels[3] = 1
    >>> suspects = find_label_errors(Features(values, labels, ["bird", "bug"], names, names, {}))
    >>> suspects[["picture", "label", "suggested", "confident"]].values[0].tolist()
    ['3.png', 'bug', 'bird', True]
    """
    import pandas as pd

    probabilities = predict_left_out(features, n_folds=n_folds, seed=seed, l2_penalty=l2_penalty)
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
    # Equal ones by name: the order must not depend on that of the pictures.
    return table.sort_values(["probability", "picture"], ignore_index=True)


def predict_left_out(features, *, n_folds=5, seed=0, l2_penalty=L2_PENALTY):
    """Return (n, n_classes) probabilities of each picture by a probe that learned from the other folds.

    Arguments and errors are those of `find_label_errors`.
    """
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
    """Say which labels are wrong by the rule of confident learning (Northcutt et al. 2021, section 3.1).

    A class counts for a picture if its probability is at least as high as it is, on average, for the pictures with that
    label; the label is wrong where the likeliest of these is another. Where no class counts, nothing is said.

    Arguments
    ---------
    probabilities: (n, n_classes)
        Of pictures that they were not learned from.
    labels: (n,) int

    Returns (n,) bool.

    >>> find_confident(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]]), np.array([0, 1, 1, 1]))
    array([False, False, False, False])
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    thresholds = np.full(probabilities.shape[1], np.inf)  # no picture has a class that none is labelled with
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    counted = np.where(probabilities >= thresholds, probabilities, -1.0)
    return (counted.max(axis=1) >= 0) & (counted.argmax(axis=1) != labels)
