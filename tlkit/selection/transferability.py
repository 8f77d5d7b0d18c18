"""Scores of features for a task, from features and labels alone: which network would transfer best? Without torch.

Higher is better in all of them. Each is a pure function of (n, d) features and n labels.
"""

import numpy as np

from tlkit.arguments import check_count, check_shape
from tlkit.images.splits import assign_folds
from tlkit.selection.score_warnings import check_values, warn_of_single_pictures, warn_of_width

_BLOCK_ROWS = 512
# On smaller matrices than this several threads wait for each other longer than they compute, ten times as long on a
# busy machine.
_LARGE = 4_000_000
# Of the ridge penalty on the squared weights of features whose overall standard deviation is 1.
_MOST_ROWS = 1000  # that a l2_penalty is chosen on


def score_logme(values, labels):
    """Return LogME: the log evidence a picture of a Bayesian linear model of the classes, its priors fitted.

    You, Liu, Wang and Long 2021 (LogME: practical assessment of pre-trained models for transfer learning), with one
    singular value decomposition for all classes and the fixed point of You et al. 2022 (Ranking and tuning pre-trained
    models). Departures: with fewer pictures than features the determinant counts all features, as the formula does and
    the authors' code doesn't; the iteration runs until the evidence moves by less than 1e-10 rather than 11 times; and
    the noise is kept above 1e-10 of the labels' squares, where the authors add 1e-5 to two of the sums.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int or str
        Of two classes or more.

    Returns a float, the mean over classes. Raises TypeError or ValueError for what can't be features and labels. Warns
    (`SelectionWarning`) of fewer pictures than features.

    >>> labels = np.arange(40) % 2
    >>> good = np.column_stack([labels, np.sin(np.arange(40))])
    >>> score_logme(good, labels) > score_logme(np.cos(good * 40), labels)
    True
    """
    from scipy.linalg import svd

    values, labels, n_classes = check_values(values, labels)
    warn_of_width(values)
    n, d = values.shape
    targets = np.eye(n_classes)[labels]
    with _threads(values):
        left, singular, _ = svd(values, full_matrices=False, check_finite=False)
    kept = singular > singular[0] * np.finfo(float).eps * max(n, d)
    sigma = singular[kept, None] ** 2  # (k, 1)
    squares = (left[:, kept].T @ targets) ** 2  # (k, n_classes): what each direction holds of each class
    total = targets.sum(axis=0)
    outside = np.maximum(total - squares.sum(axis=0), 0)
    alpha, beta = np.ones(n_classes), np.ones(n_classes)
    evidence = np.full(n_classes, -np.inf)
    for _ in range(1000):
        ratio = alpha / beta
        gamma = (sigma / (sigma + ratio)).sum(axis=0)
        weights = (sigma * squares / (sigma + ratio) ** 2).sum(axis=0)
        noise = (squares * (ratio / (sigma + ratio)) ** 2).sum(axis=0) + outside
        noise, weights = np.maximum(noise, 1e-10 * total), np.maximum(weights, np.finfo(float).tiny)
        alpha, beta = gamma / weights, (n - gamma) / noise
        # The determinant and both sums of squares belong to the same weights, which are those of `ratio`.
        determinant = np.log(alpha + beta * sigma).sum(axis=0) + (d - len(sigma)) * np.log(alpha)
        before, evidence = (
            evidence,
            (d * np.log(alpha) + n * np.log(beta / (2 * np.pi)) - determinant - beta * noise - alpha * weights)
            / (2 * n),
        )
        if np.abs(evidence - before).max() < 1e-10:
            break
    return float(evidence.mean())


def score_h(values, labels):
    """Return the H-score: how much of the features' variance lies between the classes, whitened and shrunk.

    Bao et al. 2019 (An information-theoretic approach to transferability in task transfer learning), with the shrinkage
    of Ibrahim, Ponomareva and Mazumder 2021 (Newer is not always better), whose l2_penalty is that of Ledoit and Wolf
    2004: tr(C⁻¹ · (1 - a) B), where C is the shrunk covariance, a the shrinkage, B the covariance of the class means.
    Departure: both covariances are divided by n, where the authors' code divides one by n - 1.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int or str

    Returns a float from 0 on, at most the number of classes less one. Errors and warnings as in `score_logme`.

    >>> labels = np.arange(40) % 2
    >>> 0.5 < score_h(np.column_stack([labels, np.sin(np.arange(40))]), labels) < 1
    True
    """
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    values, labels, n_classes = check_values(values, labels)
    warn_of_width(values)
    values = values - values.mean(axis=0)
    with _threads(values):
        covariance, shrinkage = ledoit_wolf(values, assume_centered=True)
    counts = np.bincount(labels)
    means = np.eye(n_classes)[labels].T @ values / counts[:, None]  # (n_classes, d)
    # The trace of C⁻¹B, B the means' products weighted by their shares, without writing B down.
    between = means * np.sqrt(counts / len(labels))[:, None]
    with _threads(values):
        whitened = cho_solve(cho_factor(covariance), between.T)
    return float((1 - shrinkage) * np.sum(between.T * whitened))


def score_knn(values, labels, groups=None, *, n_neighbors=5):
    """Return the share of pictures whose nearest others, by cosine, mostly have their class.

    Leaving one out, as Cover and Hart 1967 (Nearest neighbor pattern classification); as a score of networks in Renggli
    et al. 2022 (Which model to transfer? Finding the needle in the growing haystack). Where classes are equally often
    among the neighbours, that of the nearest one wins.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int or str
    groups: (n,) int or str, optional
        Pictures of one group are no neighbours of each other.
    n_neighbors: int
        At most as many as there are others.

    Returns a float, 0 to 1. Errors as in `score_logme`; warns of classes of one picture.

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
        votes = np.stack([(classes == classes[:, [place]]).sum(axis=1) for place in range(n_neighbors)], axis=1)
        chosen = np.take_along_axis(classes, votes.argmax(axis=1)[:, None], axis=1)[:, 0]  # the first, the nearest
        n_right += int((chosen == labels[rows]).sum())
    return n_right / len(labels)


def score_linear_probe(values, labels, groups=None, *, kind="ridge", n_folds=5, seed=0):
    """Return the share of pictures that a linear head labels right which was fitted without their fold.

    The probe is one of `tlkit.fit_head`. By default it is ridge regression, which has a solution in closed form: the
    multinomial logistic regression that is usually meant takes a minute where that takes seconds. Its l2_penalty is the
    best of ten at leaving one out, chosen anew for each fold on at most 1,000 of the pictures that are learned: one
    l2_penalty doesn't suit both 32 and 4,096 features.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int or str
    groups: (n,) int or str, optional
        Pictures of one group are never on both sides.
    kind: "ridge", "logistic" or "knn"
    n_folds: int
        At most as many as there are pictures in the largest class, and groups.
    seed: int
        Of the folds.

    Returns a float, 0 to 1. Errors as in `score_logme`; warns of classes of one picture.

    >>> labels = np.arange(20) % 2
    >>> score_linear_probe(np.column_stack([labels, np.sin(np.arange(20))]), labels)
    1.0
    """
    values, labels, _ = check_values(values, labels)
    warn_of_single_pictures(labels)
    predicted = predict_unseen(values, values, labels, groups, kind=kind, n_folds=n_folds, seed=seed)
    return float(np.mean(predicted == labels))


def predict_unseen(learned, tested, labels, groups=None, *, kind="ridge", n_folds=5, seed=0):
    """Return the classes, (n,) int, that a head gives pictures of a fold after it was fitted on the other folds.

    Arguments
    ---------
    learned, tested: (n, d)
        Features of the same pictures: those that the head is fitted on, and those that it labels.
    labels: (n,) int from 0
    groups: (n,) int or str, optional
    kind, n_folds, seed: as in `score_linear_probe`
    """
    from tlkit.features.features import Features
    from tlkit.heads import fit_head

    numbers = _number_groups(groups, len(labels))
    largest = int(np.bincount(labels).max())
    if largest < 2:
        raise ValueError("labels: one picture a class, expected two or more in some, one to learn from and one to test")
    n_folds = min(n_folds, largest, int(numbers.max()) + 1)
    folds = assign_folds(labels, None if groups is None else numbers, n_folds, seed)
    classes = [str(number) for number in range(labels.max() + 1)]
    names = numbers.astype(str)
    features = Features(np.asarray(learned, np.float32), labels, classes, names, names, {})
    predicted = np.empty(len(labels), np.int64)
    for fold in range(n_folds):
        tested_rows, learned_rows = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        l2_penalty = {"l2_penalty": _choose_l2_penalty(features[learned_rows], seed)} if kind == "ridge" else {}
        head = fit_head(features[learned_rows], kind, **l2_penalty)
        predicted[tested_rows] = head.predict(tested[tested_rows]).argmax(axis=1)
    return predicted


def _choose_l2_penalty(features, seed):
    from tlkit.heads import fit_head

    some = features[np.sort(np.random.default_rng(seed).permutation(len(features))[:_MOST_ROWS])]
    if len(np.unique(some.labels)) < 2:
        return 1.0
    l2_penalty = fit_head(some, "ridge", l2_penalty="leave-one-out").settings["l2_penalty"]
    return l2_penalty * len(some) / len(features)  # a head's penalty is counted by the picture, and here it is to stay


def _threads(values):
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if values.size < _LARGE else None)


def _number_groups(groups, n_pictures):
    if groups is None:
        return np.arange(n_pictures)
    check_shape("groups", groups, (n_pictures,), "one group per picture")
    present, numbers = np.unique(np.asarray(groups), return_inverse=True)
    if len(present) < 2:
        raise ValueError("groups: all pictures are of one group, expected two groups or more")
    return numbers
