"""Scores of features by held-out accuracy: nearest neighbours and linear probes. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_count
from tlkit.features.arrays import read_groups
from tlkit.images.splits import assign_folds
from tlkit.selection.score_warnings import check_values, warn_of_single_pictures

_BLOCK_ROWS = 512
_MOST_ROWS = 1000  # on which an L2 penalty is chosen


def score_knn(values: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None, *, n_neighbors: int = 5) -> float:
    """Measure leave-one-out accuracy of nearest neighbours by cosine similarity.

    Parameters
    ----------
    values, labels : (n, d) array_like and (n,) array_like
        Features and labels; errors are those of `score_logme`. Classes of one picture raise a warning.
    groups : (n,) int or str array_like, optional
        Pictures of one group are never neighbours.
    n_neighbors : int, default 5
        Number of neighbours, lowered if there are fewer others. Ties go to the class of the nearest one.

    Returns
    -------
    float
        Accuracy, 0 to 1.

    References
    ----------
    Cover and Hart, 1967. Nearest neighbor pattern classification.
    Renggli et al., 2022. Which model to transfer? Finding the needle in the growing haystack.

    Examples
    --------
    >>> score_knn([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]], [0, 0, 1, 1], n_neighbors=1)
    1.0
    """
    values, labels, _ = check_values(values, labels)
    warn_of_single_pictures(labels)
    n_neighbors = check_count("n_neighbors", n_neighbors, 1)
    numbers = _number_groups(groups, len(labels))
    n_neighbors = min(n_neighbors, len(labels) - int(np.bincount(numbers).max()))
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    directions = (values / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    n_right = 0
    for start in range(0, len(labels), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        similarity = directions[rows] @ directions.T
        similarity[numbers[rows, None] == numbers] = -np.inf
        nearest = np.argpartition(-similarity, n_neighbors - 1, axis=1)[:, :n_neighbors]
        order = np.argsort(-np.take_along_axis(similarity, nearest, axis=1), axis=1, kind="stable")
        classes = labels[np.take_along_axis(nearest, order, axis=1)]
        votes = np.stack([(classes == classes[:, [rank]]).sum(axis=1) for rank in range(n_neighbors)], axis=1)
        predicted = np.take_along_axis(classes, votes.argmax(axis=1)[:, None], axis=1)[:, 0]  # of ties the nearest
        n_right += int((predicted == labels[rows]).sum())
    return n_right / len(labels)


def score_linear_probe(
    values: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    kind: str = "ridge",
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    """Measure cross-validated accuracy of a linear head.

    Parameters
    ----------
    values, labels : (n, d) array_like and (n,) array_like
        Features and labels; errors and warnings are those of `score_knn`.
    groups : (n,) int or str array_like, optional
        Pictures of one group are never in both training and test fold.
    kind : {"ridge", "logistic", "knn"}, default "ridge"
        The head, as in `tlkit.fit_head`. Ridge regression takes seconds if logistic regression takes a minute.
    n_folds, seed : int
        Number of folds, by default 5, at most the pictures of the largest class and the groups, and their seed.

    Returns
    -------
    float
        Accuracy, 0 to 1.

    Notes
    -----
    The L2 penalty is the best of ten in leave-one-out validation, per fold, on at most 1,000 pictures.

    Examples
    --------
    >>> labels = np.arange(20) % 2
    >>> score_linear_probe(np.column_stack([labels, np.sin(np.arange(20))]), labels)
    1.0
    """
    values, labels, _ = check_values(values, labels)
    warn_of_single_pictures(labels)
    predicted = predict_unseen(values, values, labels, groups, kind=kind, n_folds=n_folds, seed=seed)
    return float(np.mean(predicted == labels))


def predict_unseen(training_values, test_values, labels, groups=None, *, kind="ridge", n_folds=5, seed=0):
    """Return (n,) int cross-validated predictions, with (n, d) features of the same pictures for each purpose."""
    from tlkit.features.features import Features
    from tlkit.heads import fit_head

    numbers = _number_groups(groups, len(labels))
    largest = int(np.bincount(labels).max())
    if largest < 2:
        raise ValueError("labels: one picture per class, expected two or more of some class, for training and test")
    n_folds = min(n_folds, largest, int(numbers.max()) + 1)
    folds = assign_folds(labels, None if groups is None else numbers, n_folds, seed)
    classes = [str(number) for number in range(labels.max() + 1)]
    names = numbers.astype(str)
    features = Features(np.asarray(training_values, np.float32), labels, classes, names, names, {})
    predicted = np.empty(len(labels), np.int64)
    for fold in range(n_folds):
        test, training = np.flatnonzero(folds == fold), features[np.flatnonzero(folds != fold)]
        settings = {"l2_penalty": _choose_l2_penalty(training, seed)} if kind == "ridge" else {}
        predicted[test] = fit_head(training, kind, **settings).predict(test_values[test]).argmax(axis=1)
    return predicted


def _choose_l2_penalty(features, seed):
    """Return the penalty of ridge regression that is best in leave-one-out validation on up to 1,000 pictures."""
    from tlkit.heads import fit_head

    some = features[np.sort(np.random.default_rng(seed).permutation(len(features))[:_MOST_ROWS])]
    if len(np.unique(some.labels)) < 2:
        return 1.0
    l2_penalty = fit_head(some, "ridge", l2_penalty="leave-one-out").settings["l2_penalty"]
    # A head's penalty is relative to the number of pictures; the total penalty is to stay the same.
    return l2_penalty * len(some) / len(features)


def _number_groups(groups, n_pictures):
    """Return (n_pictures,) int group numbers from 0; by default each picture is its own group."""
    if groups is None:
        return np.arange(n_pictures)
    present, numbers = np.unique(read_groups("groups", groups, n_pictures), return_inverse=True)
    if len(present) < 2:
        raise ValueError("groups: all pictures are of one group, expected two groups or more")
    return numbers
