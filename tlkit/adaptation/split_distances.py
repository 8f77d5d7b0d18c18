"""Distances between the two sides of many divisions of the same pictures at once. Without torch.

A permutation test asks how far two sides are for hundreds of divisions of the same pictures. What doesn't depend on the
division (products of pictures, kernels, what a fold predicts) is computed once here, and a single distance is the case
of one division.
"""

import numpy as np

from tlkit.heads.numerics import measure_scale

KERNELS = ("gaussian", "laplace", "multi", "linear")
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the bandwidth, for the kernel "multi"
N_FOLDS = 5
_L2_PENALTY = 0.1  # of the domain classifier's penalty, by the picture, on features whose standard deviation is 1


def measure_mmd(values, sides, kernel, bandwidth):
    """Return the unbiased squared MMD of each division; see `distance_mmd`.

    Arguments
    ---------
    values: (n, d) float64
    sides: (n, k) bool
        True on the target's side; a column a division, each with two pictures or more on both sides.
    kernel: str
    bandwidth: float or None

    Returns (k,) float64.
    """
    products = compute_kernel(values, kernel, bandwidth)
    np.fill_diagonal(products, 0.0)  # a picture isn't compared with itself: that makes the estimate unbiased
    target = sides.astype(np.float64)
    n_target = target.sum(axis=0)
    n_source = len(target) - n_target
    with_target = products @ target
    within_target = (target * with_target).sum(axis=0)
    across = with_target.sum(axis=0) - within_target
    within_source = products.sum() - within_target - 2 * across
    return (
        within_source / (n_source * (n_source - 1))
        + within_target / (n_target * (n_target - 1))
        - 2 * across / (n_source * n_target)
    )


def compute_kernel(values, kernel, bandwidth):
    """Return the kernel of each two pictures, (n, n); arguments as in `measure_mmd`."""
    values = values - values.mean(axis=0)  # distances stay, and products lose fewer digits; MMD² stays too
    products = values @ values.T
    if kernel == "linear":
        return products
    squares = np.diag(products)
    distances = np.maximum(squares[:, None] + squares - 2 * products, 0.0)
    if bandwidth is None:
        bandwidth = _measure_median(distances)
    if kernel == "laplace":
        return np.exp(-np.sqrt(distances) / bandwidth)
    factors = _FACTORS if kernel == "multi" else (1.0,)
    return sum(np.exp(distances / (-2 * (factor * bandwidth) ** 2)) for factor in factors)


def _measure_median(squared_distances):
    above = squared_distances[np.triu_indices(len(squared_distances), 1)]
    return float(np.median(np.sqrt(above))) or 1.0


def measure_coral(values, sides):
    """Return the CORAL distance of each division; see `distance_coral`.

    Arguments
    ---------
    values: (n, d) float64
    sides: (n, k) bool
        True on the target's side; a column a division, each with two pictures or more on both sides.

    Returns (k,) float64.
    """
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
    # With fewer pictures than features: ‖Cs − Ct‖² = ‖Cs‖² + ‖Ct‖² − 2⟨Cs, Ct⟩, and each of these is the squared norm
    # of a block of products between centred pictures.
    places = [np.flatnonzero(~is_target), np.flatnonzero(is_target)]

    def relate(rows, columns):
        block = products[np.ix_(rows, columns)]
        block = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
        return np.sum(block**2) / ((len(rows) - 1) * (len(columns) - 1))

    source, target = places
    return relate(source, source) + relate(target, target) - 2 * relate(source, target)


def measure_proxy_a(values, sides, groups, seed):
    """Return the proxy A-distance of each division; see `distance_proxy_a`.

    Arguments
    ---------
    values: (n, d) float64
    sides: (n, k) bool
        True on the target's side; a column a division.
    groups: (n,) int
    seed: int
        Of the folds, which the division doesn't enter: else another division would be judged otherwise.

    Returns (k,) float64. Raises ValueError where the pictures outside a fold all lie on one side.
    """
    n = len(values)
    folds = _deal_groups(groups, seed)
    values = values / measure_scale(values)
    values = values - values.mean(axis=0)
    products = values @ values.T  # a linear classifier needs no more of the pictures than these
    scores = np.empty(sides.shape)
    for fold in np.unique(folds):
        learned, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        target = sides[learned].astype(np.float64)
        n_target = target.sum(axis=0)
        if not ((n_target > 0) & (n_target < len(learned))).all():
            raise ValueError(
                f"groups: outside fold {fold + 1} of {folds.max() + 1} all pictures are of one domain, so that nothing "
                "tells them apart: take another seed, more pictures or smaller groups"
            )
        means = products[:, learned].mean(axis=1, keepdims=True)
        centred = products - means - means.T + products[np.ix_(learned, learned)].mean()
        ridge = centred[np.ix_(learned, learned)] + _L2_PENALTY * len(learned) * np.eye(len(learned))
        dual = np.linalg.solve(ridge, target - target.mean(axis=0))
        answers = centred[:, learned] @ dual  # (n, k)
        # Least squares puts its threshold nearer to the smaller domain; halfway between both it favours none.
        middle = (target * answers[learned]).sum(axis=0) / n_target
        middle = middle + ((1 - target) * answers[learned]).sum(axis=0) / (len(learned) - n_target)
        scores[held] = answers[held] - middle / 2
    wrong = (scores > 0) != sides
    n_target = sides.sum(axis=0)
    errors = (wrong & sides).sum(axis=0) / n_target + (wrong & ~sides).sum(axis=0) / (n - n_target)
    return 2 * (1 - errors)  # the error is half that sum


def _deal_groups(groups, seed):
    """Return the fold of each picture, (n,) int64, groups whole: drawn, then each to the fold with fewest pictures."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    n_folds = min(N_FOLDS, len(sizes))
    if n_folds < 2:
        raise ValueError("groups: all pictures are of one group, expected two or more, to learn from and to test")
    filled, fold_of = np.zeros(n_folds, np.int64), np.empty(len(sizes), np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[numbers]
