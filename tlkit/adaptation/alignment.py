"""The source as it would look in the target: means, scales, correlations, subspaces, transport. Without torch.

Each maps (n, d) features of the source and (m, d) of the target to (n, d): a head that is fitted on what comes out is
asked for the target as it is. Nothing looks at a label.
"""

import numpy as np

from tlkit.arguments import check_count, check_pair
from tlkit.heads.numerics import limit_threads

SHRINKAGE = 0.8  # with fewer pictures than features most directions of a covariance are noise
N_COMPONENTS = 50


def align_mean(source, target):
    """Return the source, moved to the mean of the target.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)

    Returns (n, d) float64.

    >>> align_mean([[0.0], [2.0]], [[9.0], [11.0], [13.0]])
    array([[10.],
           [12.]])
    """
    source, target = check_pair(source, target)
    return source - source.mean(axis=0) + target.mean(axis=0)


def align_scale(source, target):
    """Return the source with each feature moved and stretched to the target's mean and standard deviation.

    To standardise each domain by itself does the same to a head, but that its penalty then counts every feature alike.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)

    Returns (n, d) float64; a feature that is the same on all pictures of the source is only moved.

    >>> align_scale([[0.0], [2.0]], [[0.0], [20.0]])
    array([[ 0.],
           [20.]])
    """
    source, target = check_pair(source, target)
    spread = source.std(axis=0)
    factors = np.divide(target.std(axis=0), spread, out=np.ones_like(spread), where=spread > 0)
    return (source - source.mean(axis=0)) * factors + target.mean(axis=0)


def align_coral(source, target, *, shrinkage=SHRINKAGE):
    """Return the source with the mean and, up to shrinkage, the covariance of the target.

    Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation): the source is whitened by its own
    covariance and coloured by the target's. They add the identity to both covariances, whatever the unit of the
    features; we shrink both towards a multiple of it, as skada does. They leave the means, which we align.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    shrinkage: float
        Above 0, up to 1: the share of each covariance that is replaced by its mean variance times the identity. 1
        leaves the correlations alone: the source is moved, and stretched by one factor.

    Returns (n, d) float64. Raises ValueError for a shrinkage out of range.

    >>> source = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    >>> np.cov(align_coral(source, source[:, ::-1], shrinkage=1e-9).T).diagonal().round(3)
    array([1.333, 0.333])
    """
    source, target = check_pair(source, target)
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage: {shrinkage!r}, expected above 0 and up to 1")
    with limit_threads(source):
        centred = source - source.mean(axis=0)
        white = _multiply_by_power(centred, centred, shrinkage, -0.5)
        coloured = _multiply_by_power(white, target - target.mean(axis=0), shrinkage, 0.5)
    return coloured + target.mean(axis=0)


def _multiply_by_power(values, centred, shrinkage, power):
    """Return values @ C^power, C the shrunken covariance of other centred values, by the smaller of two squares."""
    n, d = centred.shape
    level = shrinkage * np.sum(centred**2) / centred.size
    if level == 0:
        return values
    squares, vectors = np.linalg.eigh(centred @ centred.T if n < d else centred.T @ centred)
    powers = ((1 - shrinkage) * np.maximum(squares, 0.0) / n + level) ** power
    if n >= d:
        return values @ (vectors * powers) @ vectors.T
    # Across what the pictures span, C is the level alone.
    kept = squares > squares[-1] * n * np.finfo(np.float64).eps
    left = vectors[:, kept]
    factors = (powers[kept] - level**power) / squares[kept]
    return values * level**power + (values @ centred.T @ (left * factors)) @ left.T @ centred


def align_subspace(source, target, *, n_components=N_COMPONENTS):
    """Return the source, its first principal directions turned into those of the target.

    Fernando et al. 2013 (Unsupervised visual domain adaptation using subspace alignment). They classify coordinates of
    the target's subspace; we give these back as features, in which the same head comes out.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    n_components: int
        At most as many as there are pictures less one in either domain, or features.

    Returns (n, d) float64, all in the target's subspace. Raises TypeError or ValueError for a number that isn't one.

    >>> align_subspace([[0.0, 0.0], [3.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]], n_components=1).round(3).tolist()[0][0]
    1.0
    """
    source, target = check_pair(source, target)
    n_components = check_count("n_components", n_components, 1)
    n_components = min(n_components, len(source) - 1, len(target) - 1, source.shape[1])
    with limit_threads(source):
        centred = source - source.mean(axis=0)
        ours, theirs = (
            np.linalg.svd(values, full_matrices=False)[2][:n_components]
            for values in (centred, target - target.mean(axis=0))
        )
        coordinates = centred @ ours.T @ (ours @ theirs.T)
    return coordinates @ theirs + target.mean(axis=0)


def align_transport(source, target, *, entropy=0.0):
    """Return the source, each picture moved to the mean of the target's pictures that it is transported to.

    Courty et al. 2017 (Optimal transport for domain adaptation): the plan that carries all mass of the source to the
    target at the least squared distance, and its barycentric mapping. Their terms that keep classes together are left
    out. It wants as many pictures of a class in both domains: what one has more of must go to another class.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    entropy: float
        0 is the exact plan. Above, the plan is spread by Sinkhorn's algorithm (Cuturi 2013) with this times the median
        squared distance between the domains.

    Returns (n, d) float64. Needs POT: `tlkit[adaptation]`; ModuleNotFoundError without it, ValueError for an entropy
    below 0.

    >>> align_transport([[0.0], [1.0]], [[11.0], [10.0]])
    array([[10.],
           [11.]])
    """
    source, target = check_pair(source, target)
    if not entropy >= 0:
        raise ValueError(f"entropy: {entropy!r}, expected a number of at least 0")
    try:
        import ot
    except ModuleNotFoundError as error:
        if error.name != "ot":
            raise
        raise ModuleNotFoundError(
            'transport needs POT, which isn\'t installed: pip install "tlkit[adaptation]"'
        ) from error
    costs = ot.dist(source, target)
    weights = [np.full(len(values), 1 / len(values)) for values in (source, target)]
    if entropy == 0:
        plan = ot.emd(*weights, costs)
    else:
        scale = float(np.median(costs)) or 1.0
        plan = ot.sinkhorn(*weights, costs / scale, entropy, method="sinkhorn_log")
    return plan @ target / plan.sum(axis=1, keepdims=True)
