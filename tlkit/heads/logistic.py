"""The linear probe: multinomial logistic regression with a given or cross-validated L2 penalty."""

import numpy as np

from tlkit.arguments import check_number
from tlkit.heads.head import LinearHead, split_pair
from tlkit.heads.numerics import limit_threads, measure_scale, weigh_classes
from tlkit.images.splits import assign_folds
from tlkit.notices import warn

L2_PENALTY = 10.0
L2_PENALTIES = tuple(10.0 ** np.arange(4, -4, -1))  # strong to weak: each solution is a good start for the next
N_FOLDS = 5
# With more classes, `solve_soft_targets` takes a third of scikit-learn's time (200 classes of two pictures: 3 s instead
# of 10 s on one thread). Up to this number, the results are scikit-learn's.
MOST_CLASSES = 100


def fit_logistic(features, *, seed=0, l2_penalty=L2_PENALTY, balance=None, label_smoothing=0.0):
    """Fit multinomial logistic regression on (n, d) `Features`, solved to convergence."""
    # Minimised: the summed cross-entropy plus l2_penalty / 2 × the squared weights, on features whose overall standard
    # deviation is 1. "cross-validated" takes, of the decades 10⁻³ to 10⁴, the penalty with the smallest cross-entropy
    # on held-out groups: up to 5 folds, as many as the rarest class has groups. `seed` draws the folds.
    l2_penalty = check_number("l2_penalty", l2_penalty, above=0, or_text="cross-validated")
    label_smoothing = check_number("label_smoothing", label_smoothing, at_least=0, below=1)
    weights = weigh_classes(features.labels, len(features.classes))[features.labels] if balance else None
    scale = measure_scale(features.values)
    values = features.values / np.float32(scale)
    settings = {"l2_penalty": l2_penalty}
    if l2_penalty == "cross-validated":
        settings = _choose_l2_penalty(values, features, seed)
    options = {"weights": weights, "smoothing": label_smoothing}
    weight, bias = solve_logistic(values, features.labels, l2_penalty=settings["l2_penalty"], **options)
    present = np.unique(features.labels)
    return LinearHead("logistic", list(features.classes), present, values.shape[1], settings, weight / scale, bias)


def solve_logistic(values, labels, *, l2_penalty=L2_PENALTY, weights=None, smoothing=0.0):
    """Return weight (k, d) and bias (k,) for the sorted classes of (n, d) values with standard deviation 1."""
    # `weights` (n,) multiply the cross-entropy of each picture: a weight of 2 equals two copies of the picture.
    estimator = _make_estimator()
    with limit_threads(values):
        return _solve(estimator, values, labels, l2_penalty, weights, smoothing)


def _make_estimator(tolerance=1e-6):
    """Return scikit-learn's LogisticRegression (L-BFGS)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(tol=tolerance, max_iter=5000)


def _solve(estimator, values, labels, l2_penalty, weights=None, smoothing=0.0):
    """Return weight (k, d) and bias (k,); `smoothing` is the share of each label that is spread over all classes."""
    # Without centred float64 values, the solver stops while probabilities are still off by a hundredth.
    centre = values.mean(axis=0, dtype=np.float64)
    centred = values - centre
    present, columns = np.unique(labels, return_inverse=True)
    if smoothing or len(present) > MOST_CLASSES:
        targets = (1 - smoothing) * np.eye(len(present))[columns] + smoothing / len(present)
        targets *= 1.0 if weights is None else np.asarray(weights)[:, None]
        # Of two classes, scikit-learn penalises the difference of both rows: twice their squares.
        weight, bias = solve_soft_targets(centred, targets, l2_penalty * (1 + (len(present) == 2)), estimator.tol)
        return weight, bias - weight @ centre
    estimator.set_params(C=1 / l2_penalty)
    n_pictures, n_features = centred.shape
    if n_pictures >= n_features:
        weight = estimator.fit(centred, labels, weights).coef_
    else:
        # No weight is orthogonal to the space that the pictures span; coordinates of it need fewer numbers.
        basis, coordinates = np.linalg.qr(centred.T)
        weight = estimator.fit(coordinates.T, labels, weights).coef_ @ basis.T
    return split_pair(weight, estimator.intercept_ - weight @ centre)


def _choose_l2_penalty(values, features, seed):
    """Return the settings with the penalty that has the smallest held-out cross-entropy."""
    labels, groups = features.labels, np.asarray(features.groups)
    n_groups = {label: len(np.unique(groups[labels == label])) for label in np.unique(labels)}
    alone = [features.classes[label] for label, count in n_groups.items() if count < 2]
    if alone:
        named = ", ".join(alone[:5]) + (f" and {len(alone) - 5} more" if len(alone) > 5 else "")
        return _take_default(f"there is only one group of {named}")
    each_alone = len(np.unique(groups)) == len(groups)
    folds = assign_folds(labels, None if each_alone else groups, min(N_FOLDS, *n_groups.values()), seed)
    losses = np.zeros(len(L2_PENALTIES))
    n_held_out = 0
    for fold in np.unique(folds):
        in_training = folds != fold
        trained_classes = np.unique(labels[in_training])
        # If groups hold several classes, all pictures of a class may lie in this fold; they can't be predicted.
        held_out = ~in_training & np.isin(labels, trained_classes)
        if len(trained_classes) < 2:
            continue
        n_held_out += held_out.sum()
        losses += _measure_losses(values, labels, in_training, held_out)
    if not n_held_out:
        return _take_default("each of these groups holds all pictures of its class")
    tried = {float(l2_penalty): float(loss) for l2_penalty, loss in zip(L2_PENALTIES, losses / n_held_out, strict=True)}
    return {"l2_penalty": min(tried, key=tried.get), "tried": tried}


def _take_default(reason):
    """Warn that cross-validation is impossible and return the settings with the default penalty."""
    needed = "'cross-validated' trains on one group of each class and holds out another"
    warn(f"l2_penalty: {needed}, but {reason}; l2_penalty {L2_PENALTY:g} is used")
    return {"l2_penalty": L2_PENALTY}


def _measure_losses(values, labels, in_training, held_out):
    """Return the summed held-out cross-entropy for each of L2_PENALTIES; both masks are (n,) bool."""
    # Four digits suffice to compare penalties; a warm start passes each solution on to the next penalty.
    estimator = _make_estimator(1e-4).set_params(warm_start=True)
    columns = np.searchsorted(np.unique(labels[in_training]), labels[held_out])[:, None]
    losses = np.zeros(len(L2_PENALTIES))
    with limit_threads(values):
        for index, l2_penalty in enumerate(L2_PENALTIES):
            weight, bias = _solve(estimator, values[in_training], labels[in_training], l2_penalty)
            scores = values[held_out] @ weight.T + bias
            correct = np.take_along_axis(scores, columns, axis=1)
            losses[index] = np.sum(np.logaddexp.reduce(scores, axis=1)[:, None] - correct)
    return losses


N_ITERATIONS = 5000  # at most
_N_KEPT_STEPS = 20
# The curvature of the cross-entropy along a feature, per squared unit and class; a tenth of its upper bound. Of 0.01 to
# 1 times the number of classes, the solver took the fewest steps with this share.
_CURVATURE = 0.1


def solve_soft_targets(values, targets, l2_penalty, tolerance):
    """Return weight (k, d) and bias (k,) for centred (n, d) values and (n, k) targets, whose sums weight the rows."""
    # Minimised: the summed cross-entropy plus l2_penalty / 2 × the squared weights. L-BFGS gets coordinates along the
    # singular vectors of the values, each divided by the root of its curvature, so that it takes few steps.
    from scipy.optimize import minimize

    n_classes, row_weights = targets.shape[1], targets.sum(axis=1, keepdims=True)
    if len(values) < values.shape[1]:
        _, singular, directions = np.linalg.svd(values, full_matrices=False)
    else:
        squares, vectors = np.linalg.eigh(values.T @ values)
        singular, directions = np.sqrt(np.maximum(squares, 0)), vectors.T
    curvature = _CURVATURE / n_classes
    units = 1 / np.sqrt(curvature * singular**2 + l2_penalty)
    constant = np.full(len(values), 1 / np.sqrt(curvature * len(values)))
    coordinates = np.column_stack([values @ directions.T * units, constant])
    penalties = np.append(l2_penalty * units**2, 0.0)  # the biases are not penalised

    def measure_loss(flat):
        layer = flat.reshape(n_classes, -1)
        scores = coordinates @ layer.T
        highest = scores.max(axis=1, keepdims=True)
        shares = np.exp(scores - highest)
        totals = shares.sum(axis=1, keepdims=True)
        loss = np.sum(row_weights * (np.log(totals) + highest)) - np.vdot(scores, targets)
        slope = (shares * (row_weights / totals) - targets).T @ coordinates + penalties * layer
        return (loss + np.sum(penalties * layer**2) / 2) / row_weights.sum(), slope.ravel() / row_weights.sum()

    options = {"maxiter": N_ITERATIONS, "maxfun": 2 * N_ITERATIONS, "gtol": tolerance, "maxcor": _N_KEPT_STEPS}
    start = np.zeros(n_classes * coordinates.shape[1])
    solved = minimize(measure_loss, start, jac=True, method="L-BFGS-B", options=options | {"ftol": 1e-14})
    layer = solved.x.reshape(n_classes, -1)
    return (layer[:, :-1] * units) @ directions, layer[:, -1] * constant[0]
