"""The linear probe: multinomial logistic regression, its l2_penalty given or chosen on groups held out."""

import warnings

import numpy as np

from tlkit.arguments import check_positive
from tlkit.heads.linear import LinearHead, split_pair
from tlkit.heads.numerics import limit_threads, measure_scale
from tlkit.images.splits import assign_folds

L2_PENALTY = 10.0
L2_PENALTIES = tuple(10.0 ** np.arange(4, -4, -1))  # strong to weak: each solution is a good start for the next
N_FOLDS = 5


def fit_logistic(features, *, seed=0, l2_penalty=L2_PENALTY):
    """Fit multinomial logistic regression, solved to convergence.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    seed: int
        Of the folds.
    l2_penalty: float, or "cross-validated"
        Of the penalty, l2_penalty / 2 × the squared weights beside the summed cross-entropy, on features whose overall
        standard deviation is 1. "cross-validated" takes, of the decades 10⁻³ to 10⁴, the one with the smallest
        cross-entropy on groups held out: up to 5 folds, as many as the rarest class has groups.

    Returns a `LinearHead`. Warns where a class has one group only, which can't be both learned and held out; the
    l2_penalty is then the default.
    """
    l2_penalty = check_positive("l2_penalty", l2_penalty, or_else="cross-validated")
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    settings = {"l2_penalty": l2_penalty}
    if l2_penalty == "cross-validated":
        settings = _choose_l2_penalty(values, features, seed)
    weight, bias = solve_logistic(values, features.labels, l2_penalty=settings["l2_penalty"])
    present = np.unique(features.labels)
    return LinearHead("logistic", list(features.classes), present, values.shape[1], settings, weight / scale, bias)


def solve_logistic(values, labels, *, l2_penalty=L2_PENALTY, weights=None):
    """Solve multinomial logistic regression on values whose overall standard deviation is 1.

    Arguments
    ---------
    values: (n, d)
    labels: (n,) int
        Of two classes or more.
    l2_penalty: float
        As in `fit_logistic`.
    weights: (n,), optional
        How often each picture counts in the summed cross-entropy; a whole number does as so many copies.

    Returns (weight, bias) of the classes present, in the order of their labels: (n_present, d) and (n_present,).

    >>> weight, bias = solve_logistic(np.array([[-1.0], [1.0]]), np.array([0, 1]), l2_penalty=1.0)
    >>> weight.shape, bias.round(6) + 0.0
    ((2, 1), array([0., 0.]))
    """
    estimator = _make_estimator(l2_penalty)
    with limit_threads(values):
        return split_pair(*_solve(estimator, values, labels, weights))


def _make_estimator(l2_penalty):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / l2_penalty, tol=1e-6, max_iter=5000)


def _solve(estimator, values, labels, weights=None):
    # Around their mean, in float64: the same solution but for the intercepts. Without either, the solver stops where
    # probabilities are still off by a hundredth.
    centre = values.mean(axis=0, dtype=np.float64)
    centred = values - centre
    n_pictures, n_features = centred.shape
    if n_pictures >= n_features:
        weight = estimator.fit(centred, labels, weights).coef_
    else:
        # The penalty leaves no weight across what the pictures span: in coordinates of that space alone the solver
        # takes the same steps with fewer numbers.
        basis, coordinates = np.linalg.qr(centred.T)
        weight = estimator.fit(coordinates.T, labels, weights).coef_ @ basis.T
    return weight, estimator.intercept_ - weight @ centre


def _choose_l2_penalty(values, features, seed):
    labels, groups = features.labels, np.asarray(features.groups)
    n_groups = {label: len(np.unique(groups[labels == label])) for label in np.unique(labels)}
    alone = [features.classes[label] for label, count in n_groups.items() if count < 2]
    if alone:
        named = ", ".join(alone[:5]) + (f" and {len(alone) - 5} more" if len(alone) > 5 else "")
        return _take_default(f"there is one only of {named}")
    each_alone = len(np.unique(groups)) == len(groups)
    folds = assign_folds(labels, None if each_alone else groups, min(N_FOLDS, *n_groups.values()), seed)
    losses = np.zeros(len(L2_PENALTIES))
    n_judged = 0
    for fold in np.unique(folds):
        learned, held = folds != fold, folds == fold
        seen = np.unique(labels[learned])
        judged = held & np.isin(labels, seen)  # a class may lie in this fold whole, where its groups hold others too
        if len(seen) < 2:
            continue
        n_judged += judged.sum()
        losses += _measure_losses(values, labels, learned, judged)
    if not n_judged:
        return _take_default("each of these groups is all there is of its class")
    tried = {float(l2_penalty): float(loss) for l2_penalty, loss in zip(L2_PENALTIES, losses / n_judged, strict=True)}
    return {"l2_penalty": min(tried, key=tried.get), "tried": tried}


def _take_default(reason):
    warnings.warn(
        f"l2_penalty: 'cross-validated' holds out one group of a class and learns from another, but {reason}; "
        f"l2_penalty {L2_PENALTY:g} is taken",
        stacklevel=5,
    )
    return {"l2_penalty": L2_PENALTY}


def _measure_losses(values, labels, learned, judged):
    """Return the summed cross-entropy on the pictures judged of a head fitted on those learned, for each l2_penalty."""
    # To compare l2_penalties, four digits do.
    estimator = _make_estimator(L2_PENALTIES[0]).set_params(warm_start=True, tol=1e-4)
    columns = np.searchsorted(np.unique(labels[learned]), labels[judged])[:, None]
    losses = np.zeros(len(L2_PENALTIES))
    with limit_threads(values):
        for place, l2_penalty in enumerate(L2_PENALTIES):
            weight, bias = split_pair(*_solve(estimator.set_params(C=1 / l2_penalty), values[learned], labels[learned]))
            scores = values[judged] @ weight.T + bias
            right = np.take_along_axis(scores, columns, axis=1)
            losses[place] = np.sum(np.logaddexp.reduce(scores, axis=1)[:, None] - right)
    return losses
