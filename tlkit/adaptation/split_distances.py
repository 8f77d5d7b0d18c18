"""Distances between the two sides of many divisions of the same pictures at once. Without torch.

A permutation test needs the distance for hundreds of divisions of the same pictures. Products of pictures and kernels
don't depend on the division and are computed once. A single distance is the case of one division.
"""

import numpy as np

from tlkit.heads.numerics import measure_scale

KERNELS = ("gaussian", "laplace", "multi", "linear")
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the bandwidth, for the kernel "multi"
N_FOLDS = 5
_N_AT_ONCE = 2**24  # products of two pictures, 128 MiB
_N_BINS = 2**16
_L2_PENALTY = 0.1  # per picture, of the domain classifier on features whose standard deviation is 1


def measure_mmd(values, sides, kernel, bandwidth):
    """Return (k,) unbiased squared MMDs of (n, d) features for (n, k) bool sides, True for the target's side."""
    target = sides.astype(np.float64)
    with_target, total = np.zeros_like(target), 0.0
    for rows, products in compute_kernel(values, kernel, bandwidth):
        with_target[rows] = products @ target
        total += products.sum()
    n_target = target.sum(axis=0)
    n_source = len(target) - n_target
    within_target = (target * with_target).sum(axis=0)
    across = with_target.sum(axis=0) - within_target
    within_source = total - within_target - 2 * across
    return (
        within_source / (n_source * (n_source - 1))
        + within_target / (n_target * (n_target - 1))
        - 2 * across / (n_source * n_target)
    )


def compute_kernel(values, kernel, bandwidth):
    """Yield slices of rows and their (m, n) kernel with all of (n, d) features, 0 for a picture with itself."""
    # Without a bandwidth, it is the median distance. No picture counts with itself, so that estimates are unbiased.
    values = values - values.mean(axis=0)  # changes neither distances nor MMD², and products lose fewer digits
    if bandwidth is None and kernel != "linear":
        bandwidth = find_median_distance(values)
    factors = _FACTORS if kernel == "multi" else (1.0,)
    for rows in divide_rows(len(values)):
        if kernel == "linear":
            products = values[rows] @ values.T
        elif kernel == "laplace":
            products = np.exp(-np.sqrt(_measure_squared_distances(values, rows)) / bandwidth)
        else:
            distances = _measure_squared_distances(values, rows)
            products = sum(np.exp(distances / (-2 * (factor * bandwidth) ** 2)) for factor in factors)
        products[np.arange(len(products)), np.arange(len(values))[rows]] = 0.0
        yield rows, products


def _measure_squared_distances(values, rows):
    """Return the (m, n) squared distances between some rows, a slice, and all of (n, d) centred features."""
    products = values[rows] @ values.T
    squares = np.diag(products).copy() if len(products) == len(values) else np.einsum("ij,ij->i", values, values)
    return np.maximum(squares[rows, None] + squares - 2 * products, 0.0)


def find_median_distance(values):
    """Return the median distance between two of (n, d) centred features, or 1 if it is 0."""
    n, n_below = len(values), 0
    blocks = list(divide_rows(n))
    if len(blocks) == 1:
        above_diagonal = _measure_squared_distances(values, blocks[0])[np.triu_indices(n, 1)]
        return float(np.median(np.sqrt(above_diagonal))) or 1.0
    # The squared distances don't fit into memory. They are counted in bins, which are made finer around the median
    # until those of its bin fit; each pass computes the distances again, with the same bits.
    n_pairs = n * (n - 1) // 2
    rank = (n_pairs - 1) // 2
    largest = 4 * float(np.einsum("ij,ij->i", values, values).max())
    low, high, n_inside = 0.0, np.nextafter(largest, np.inf), n_pairs
    while n_inside > _N_AT_ONCE:
        if high - low <= max(1e-20 * largest, 2 * np.spacing(high)):  # copies of the same pictures
            return float(np.sqrt(low)) or 1.0
        edges, counts, n_below = np.linspace(low, high, _N_BINS + 1), np.zeros(_N_BINS, np.int64), 0
        for rows in blocks:
            pairs = _take_pairs(values, rows)
            n_below += np.count_nonzero(pairs < low)
            counts += np.histogram(pairs[pairs < high], edges)[0]
        inside = np.searchsorted(n_below + counts.cumsum(), rank, side="right")
        low, high, n_inside = edges[inside], edges[inside + 1], counts[inside]
        n_below += counts[:inside].sum()
    kept, above = [], np.inf  # the pairs of this bin, and the smallest beyond it
    for rows in blocks:
        pairs = _take_pairs(values, rows)
        kept.append(pairs[(pairs >= low) & (pairs < high)])
        above = min(above, pairs[pairs >= high].min(initial=np.inf))
    kept = np.append(np.sort(np.concatenate(kept)), above)
    return float(np.sqrt(kept[[rank - n_below, n_pairs // 2 - n_below]]).mean()) or 1.0


def _take_pairs(values, rows):
    """Return the squared distances of some rows to all later rows, (k,)."""
    later = np.arange(len(values)) > np.arange(len(values))[rows, None]
    return _measure_squared_distances(values, rows)[later]


def divide_rows(n_rows):
    """Yield slices of rows whose products with all n rows fit into memory; all rows if there are few."""
    n_at_once = n_rows if n_rows**2 <= _N_AT_ONCE else max(1, _N_AT_ONCE // (4 * n_rows))
    for start in range(0, n_rows, n_at_once):
        yield slice(start, min(start + n_at_once, n_rows))


def measure_coral(values, sides):
    """Return (k,) CORAL distances of (n, d) features for (n, k) bool sides, True for the target's side."""
    n, d = values.shape
    values = values - values.mean(axis=0)
    products = values @ values.T if n <= d else None
    distances = []
    for is_target in sides.T:
        if products is None:
            difference = np.cov(values[~is_target].T) - np.cov(values[is_target].T)
            distances.append(np.sum(difference**2))
        else:
            distances.append(_compare_covariances(products, is_target))
    return np.array(distances) / (4 * d**2)


def _compare_covariances(products, is_target):
    """Return the squared distance of two covariances from the (n, n) products of pictures, if n <= d."""
    # ‖Cs − Ct‖² = ‖Cs‖² + ‖Ct‖² − 2⟨Cs, Ct⟩, and each term is the squared norm of a block of centred products.
    source, target = np.flatnonzero(~is_target), np.flatnonzero(is_target)

    def relate(rows, columns):
        block = products[np.ix_(rows, columns)]
        block = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
        return np.sum(block**2) / ((len(rows) - 1) * (len(columns) - 1))

    return relate(source, source) + relate(target, target) - 2 * relate(source, target)


def measure_proxy_a(values, sides, groups, seed):
    """Return (k,) proxy A-distances of (n, d) features in (n,) groups for (n, k) bool sides, True for the target's."""
    # The folds don't depend on the division; otherwise each division would be tested on different folds.
    n = len(values)
    folds = _assign_groups(groups, seed)
    values = values / measure_scale(values)
    values = values - values.mean(axis=0)
    solve = _solve_primal if n**2 > _N_AT_ONCE and values.shape[1] < n else _solve_dual
    products = values @ values.T if solve is _solve_dual else None  # all that ridge regression in its dual form needs
    scores = np.empty(sides.shape)
    for fold in np.unique(folds):
        training, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        target = sides[training].astype(np.float64)
        n_target = target.sum(axis=0)
        if not ((n_target > 0) & (n_target < len(training))).all():
            raise ValueError(f"groups: {describe_single_domain(fold, folds.max() + 1)}")
        fitted = solve(values if products is None else products, training, target - target.mean(axis=0))  # (n, k)
        # Least squares puts its threshold nearer to the smaller domain; halfway between both means it favours neither.
        middle = (target * fitted[training]).sum(axis=0) / n_target
        middle = middle + ((1 - target) * fitted[training]).sum(axis=0) / (len(training) - n_target)
        scores[held_out] = fitted[held_out] - middle / 2
    wrong = (scores > 0) != sides
    n_target = sides.sum(axis=0)
    errors = (wrong & sides).sum(axis=0) / n_target + (wrong & ~sides).sum(axis=0) / (n - n_target)
    return 2 * (1 - errors)  # the error is half of this sum


def _solve_dual(products, training, target):
    """Return the (n, k) fit of ridge regression on some rows, for few rows: from the (n, n) products of all rows."""
    means = products[:, training].mean(axis=1, keepdims=True)
    centred = products - means - means.T + products[np.ix_(training, training)].mean()
    ridge = centred[np.ix_(training, training)] + _L2_PENALTY * len(training) * np.eye(len(training))
    return centred[:, training] @ np.linalg.solve(ridge, target)


def _solve_primal(values, training, target):
    """Return the same fit for many rows, from their (n, d) values."""
    centred = values - values[training].mean(axis=0)
    rows = centred[training]
    ridge = rows.T @ rows + _L2_PENALTY * len(training) * np.eye(values.shape[1])
    return centred @ np.linalg.solve(ridge, rows.T @ target)


def _assign_groups(groups, seed):
    """Return the (n,) int fold of each picture: groups in random order, each to the fold with fewest pictures."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    n_folds = min(N_FOLDS, len(sizes))
    if n_folds < 2:
        raise ValueError("groups: all pictures are of one group, expected two or more for training and testing")
    filled, fold_of = np.zeros(n_folds, np.int64), np.empty(len(sizes), np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[numbers]


def describe_single_domain(fold, n_folds):
    """Return the message for a fold without which all pictures belong to one domain."""
    return (
        f"outside fold {fold + 1} of {n_folds} all pictures are of one domain, so a classifier can't learn to separate "
        "domains: use another seed, more pictures or smaller groups"
    )
