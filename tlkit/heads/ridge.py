"""The ridge head: least squares on the classes as ±1, in closed form, and its exact leave-one-out error."""

import numpy as np

from tlkit.arguments import check_positive
from tlkit.heads.linear import LinearHead, centre_scores
from tlkit.heads.numerics import limit_threads, measure_scale

L2_PENALTIES = tuple(10.0 ** np.arange(-2, 3, 0.5))
N_ROWS_AT_ONCE = 8192


def fit_ridge(features, *, l2_penalty=10.0):
    """Fit ridge regression on the classes as ±1.

    Its scores are no log-probabilities: the softmax keeps their order, and is far less sure than the pictures warrant.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    l2_penalty: float, or "leave-one-out"
        Of the penalty on the squared weights beside the mean squared error, on features whose overall standard
        deviation is 1. "leave-one-out" takes, of ten from 0.01 to 316, the one with the smallest squared error on each
        picture when it is left out. It leaves out single pictures, not groups: where pictures of a group are alike,
        it takes too weak a penalty.

    Returns a `LinearHead`.
    """
    from sklearn.linear_model import RidgeClassifier

    l2_penalty = check_positive("l2_penalty", l2_penalty, or_else="leave-one-out")
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    present, columns = np.unique(features.labels, return_inverse=True)
    settings = {"l2_penalty": l2_penalty}
    if l2_penalty == "leave-one-out":
        targets = np.where(columns[:, None] == np.arange(len(present)), 1.0, -1.0)
        with limit_threads(values):
            errors = measure_left_out(values, targets, np.array(L2_PENALTIES) * len(values))
        tried = {float(l2_penalty): float(error) for l2_penalty, error in zip(L2_PENALTIES, errors, strict=True)}
        settings = {"l2_penalty": min(tried, key=tried.get), "tried": tried}
    estimator = RidgeClassifier(alpha=settings["l2_penalty"] * len(values))
    with limit_threads(values):
        estimator.fit(values, features.labels)
    weight, bias = (np.array(part, np.float64) for part in (estimator.coef_, estimator.intercept_))
    if len(present) == 2:  # scikit-learn keeps one row: the two classes' targets are each other's negative
        weight, bias = weight.reshape(1, -1), bias.reshape(1)
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return LinearHead("ridge", list(features.classes), present, values.shape[1], settings, weight / scale, bias)


def measure_left_out(values, targets, penalties):
    """Return the mean squared error of ridge regression on each row when it is left out, for every penalty at once.

    Nothing is fitted again: the residual of a row that was left out is its residual over 1 minus its leverage (Allen
    1974, the PRESS statistic), and one decomposition serves all penalties. scikit-learn's RidgeClassifierCV gives the
    same; at 10,000 × 1,280 with ten penalties it took five times as long.

    Arguments
    ---------
    values: (n, d) float
    targets: (n, m) float
    penalties: (k,) float, above 0
        On the squared weights beside the summed squared error; the intercepts are free.

    Returns (k,) float64.

    >>> values, targets = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [2.0]])
    >>> measure_left_out(values, targets, [1e-9]).round(6)
    array([0.])
    """
    n_rows, n_features = values.shape
    blocks = [slice(start, start + N_ROWS_AT_ONCE) for start in range(0, n_rows, N_ROWS_AT_ONCE)]
    centre = values.mean(axis=0, dtype=np.float64)
    targets = targets - targets.mean(axis=0)
    # The squared singular values of the centred values, and their left singular vectors for some rows: by way of the
    # smaller of the two matrices of products.
    if n_rows > n_features:
        products, with_targets = np.zeros((n_features, n_features)), np.zeros((n_features, targets.shape[1]))
        for rows in blocks:
            centred = values[rows] - centre
            products += centred.T @ centred
            with_targets += centred.T @ targets[rows]
        squares, directions = np.linalg.eigh(products)
    else:
        centred = values - centre
        squares, left = np.linalg.eigh(centred @ centred.T)
    kept = squares > squares[-1] * max(values.shape) * np.finfo(np.float64).eps
    squares = squares[kept]
    if n_rows > n_features:
        to_left = directions[:, kept] / np.sqrt(squares)
        projected = to_left.T @ with_targets
    else:
        left = left[:, kept]
        projected = left.T @ targets
    shrinkage = squares[:, None] / (squares[:, None] + np.asarray(penalties))  # (rank, k)
    errors = np.zeros(shrinkage.shape[1])
    for rows in blocks:
        vectors = (values[rows] - centre) @ to_left if n_rows > n_features else left[rows]
        leverage = 1 / n_rows + vectors**2 @ shrinkage
        for place, share in enumerate(shrinkage.T):
            residual = targets[rows] - vectors @ (share[:, None] * projected)
            errors[place] += np.sum((residual / (1 - leverage[:, place : place + 1])) ** 2)
    return errors / targets.size


def fit_prototypes(features, *, sharpness=10.0):
    """Take the mean of each class; scores are minus the squared distances to them.

    Snell et al. (2017, arXiv:1703.05175). There the network is trained with this head and finds its own unit; here it
    is frozen, so squared distances are divided by their mean from the pictures to the mean of all, times `sharpness`:
    our departure, which changes how sure the head is and never which class is first. As they write, the head is a
    linear layer: what is quadratic in the features is the same for all classes.

    With one or two pictures a class it is misled by features of different lengths; a "cosine" head ignores lengths.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    sharpness: float
        More makes the probabilities surer.

    Returns a `LinearHead`.
    """
    sharpness = check_positive("sharpness", sharpness)
    present, columns = np.unique(features.labels, return_inverse=True)
    centre = features.values.mean(axis=0, dtype=np.float64)
    prototypes = np.stack(
        [features.values[columns == column].mean(axis=0, dtype=np.float64) for column in range(len(present))]
    )
    spread = features.values.var(axis=0, dtype=np.float64).sum() or 1.0
    offsets = prototypes - centre  # distances around the mean have more digits
    weight = 2 * sharpness / spread * offsets
    bias = -sharpness / spread * (offsets**2).sum(axis=1) - weight @ centre
    settings, n_features = {"sharpness": sharpness}, len(centre)
    weight, bias = centre_scores(weight, bias)
    return LinearHead("prototype", list(features.classes), present, n_features, settings, weight, bias)
