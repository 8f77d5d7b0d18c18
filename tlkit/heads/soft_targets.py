"""Logistic regression on soft targets, or of many classes: fewer steps than scikit-learn takes."""

import numpy as np

N_ITERATIONS = 5000  # at most
_N_KEPT_STEPS = 20
# The curvature of the cross-entropy along a feature, per squared unit and class; a tenth of its upper bound. Of 0.01 to
# 1 times the number of classes, the solver took the fewest steps with this share.
_CURVATURE = 0.1


def solve_soft_targets(values, targets, l2_penalty, tolerance):
    """Return weight (k, d) and bias (k,) for centred (n, d) values and (n, k) targets, whose sums weight the rows."""
    # Minimised: the summed cross-entropy plus l2_penalty / 2 × the squared weights. L-BFGS gets coordinates along the
    # singular vectors of the values, each divided by the root of its curvature with the penalty. All directions are
    # then about equally steep, so it takes few steps (preconditioning).
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
