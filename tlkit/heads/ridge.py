"""The ridge head, with its exact leave-one-out error, and the prototype head: both linear, in closed form."""

import numpy as np

from tlkit.arguments import check_number
from tlkit.heads.head import LinearHead, centre_scores
from tlkit.heads.numerics import limit_threads, measure_scale, weigh_classes

L2_PENALTIES = tuple(10.0 ** np.arange(-2, 3, 0.5))
N_ROWS_AT_ONCE = 8192


def fit_ridge(features, *, l2_penalty=10.0, balance=None, label_smoothing=0.0):
    """Fit ridge regression on the classes as ±1, for (n, d) `Features`."""
    # Minimised: the mean squared error plus l2_penalty × the squared weights, on features whose overall standard
    # deviation is 1. The scores are no log-probabilities: their softmax keeps the order but is far underconfident.
    # "leave-one-out" takes, of ten penalties from 0.01 to 316, the one with the smallest leave-one-out error. It leaves
    # out pictures, not groups: if pictures of a group are alike, the chosen penalty is too weak.
    from sklearn.linear_model import RidgeClassifier

    l2_penalty = check_number("l2_penalty", l2_penalty, above=0, or_text="leave-one-out")
    label_smoothing = check_number("label_smoothing", label_smoothing, at_least=0, below=1)
    weights = weigh_classes(features.labels, len(features.classes))[features.labels] if balance else None
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    present, columns = np.unique(features.labels, return_inverse=True)
    settings = {"l2_penalty": l2_penalty}
    if l2_penalty == "leave-one-out":
        targets = np.where(columns[:, None] == np.arange(len(present)), 1.0, -1.0)
        with limit_threads(values):
            errors = measure_leave_one_out(values, targets, np.array(L2_PENALTIES) * len(values))
        tried = {float(l2_penalty): float(error) for l2_penalty, error in zip(L2_PENALTIES, errors, strict=True)}
        settings = {"l2_penalty": min(tried, key=tried.get), "tried": tried}
    with limit_threads(values):
        estimator = RidgeClassifier(alpha=settings["l2_penalty"] * len(values)).fit(values, features.labels, weights)
    weight, bias = (np.array(part, np.float64) for part in (estimator.coef_, estimator.intercept_))
    if len(present) == 2:  # scikit-learn keeps one row: the targets of two classes are each other's negative
        weight, bias = weight.reshape(1, -1), bias.reshape(1)
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    # The scores follow the targets, since the intercepts are not penalised: 1 becomes 1 - s + s (2 / k - 1).
    weight, bias = (1 - label_smoothing) * weight, (1 - label_smoothing) * bias
    bias += label_smoothing * (2 / len(present) - 1)
    return LinearHead("ridge", list(features.classes), present, values.shape[1], settings, weight / scale, bias)


def measure_leave_one_out(values, targets, penalties):
    """Return the mean squared leave-one-out error per penalty, (k,), of (n, d) values and (n, m) targets."""
    # Nothing is refitted: the leave-one-out residual of a row is its residual divided by 1 minus its leverage (Allen
    # 1974, the PRESS statistic). RidgeClassifierCV gives the same errors, five times as slowly. Penalties are weights
    # of the squared weights next to the summed squared error; the intercepts are not penalised.
    n_rows, n_features = values.shape
    blocks = [slice(start, start + N_ROWS_AT_ONCE) for start in range(0, n_rows, N_ROWS_AT_ONCE)]
    centre = values.mean(axis=0, dtype=np.float64)
    targets = targets - targets.mean(axis=0)
    # Squared singular values of the centred values, and left singular vectors of rows, from the smaller Gram matrix.
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
        for index, share in enumerate(shrinkage.T):
            residual = targets[rows] - vectors @ (share[:, None] * projected)
            errors[index] += np.sum((residual / (1 - leverage[:, index : index + 1])) ** 2)
    return errors / targets.size


def fit_prototypes(features, *, sharpness=10.0):
    """Return a head whose scores are minus the squared distances to the class means of (n, d) `Features`."""
    # Snell et al. (2017, arXiv:1703.05175). As they write, this head is a linear layer: the term that is quadratic in
    # the features is the same for all classes. They train the network with it, and the network finds its own unit. Here
    # it is frozen, so we divide by the pictures' mean squared distance to the mean of all and multiply by `sharpness`.
    # With one or two pictures per class, features of different lengths mislead it; a "cosine" head ignores lengths.
    sharpness = check_number("sharpness", sharpness, above=0)
    present, columns = np.unique(features.labels, return_inverse=True)
    centre = features.values.mean(axis=0, dtype=np.float64)
    of_class = [features.values[columns == column] for column in range(len(present))]
    prototypes = np.stack([values.mean(axis=0, dtype=np.float64) for values in of_class])
    spread = features.values.var(axis=0, dtype=np.float64).sum() or 1.0
    offsets = prototypes - centre  # distances around the mean have more digits
    weight = 2 * sharpness / spread * offsets
    bias = -sharpness / spread * (offsets**2).sum(axis=1) - weight @ centre
    settings, n_features = {"sharpness": sharpness}, len(centre)
    weight, bias = centre_scores(weight, bias)
    return LinearHead("prototype", list(features.classes), present, n_features, settings, weight, bias)
