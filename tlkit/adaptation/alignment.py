"""Move the source's features towards the target's: means, scales, covariance, subspace, transport. Without torch.

Each function maps (n, d) source and (m, d) target features to (n, d), for a head to be fitted on, without labels.
"""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_count, check_number, import_extra
from tlkit.features.arrays import check_pair
from tlkit.heads.numerics import limit_threads

SHRINKAGE = 0.8  # with fewer pictures than features most directions of a covariance are noise
N_COMPONENTS = 50


def align_mean(source: ArrayLike, target: ArrayLike) -> np.ndarray:
    """Shift the source to the mean of the target.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.

    Returns
    -------
    (n, d) float64 array
        The shifted source.

    Examples
    --------
    >>> align_mean([[0.0], [2.0]], [[9.0], [11.0], [13.0]])
    array([[10.],
           [12.]])
    """
    source, target = check_pair(source, target)
    return source - source.mean(axis=0) + target.mean(axis=0)


def align_scale(source, target):
    """Return the source with the mean and standard deviation that each feature has in the target."""
    # Standardising each domain by itself is equivalent, except that the head's penalty then treats all features alike.
    # A feature that is constant in the source is only shifted.
    source, target = check_pair(source, target)
    spread = source.std(axis=0)
    factors = np.divide(target.std(axis=0), spread, out=np.ones_like(spread), where=spread > 0)
    return (source - source.mean(axis=0)) * factors + target.mean(axis=0)


def align_coral(source: ArrayLike, target: ArrayLike, *, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """Give the source the mean and the shrunk covariance of the target (CORAL).

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    shrinkage : float, default 0.8
        Share of each covariance that is replaced by its mean variance times the identity, above 0 and up to 1.

    Returns
    -------
    (n, d) float64 array
        The source, whitened by its own covariance and coloured by the target's.

    Raises
    ------
    ValueError
        If the shrinkage is out of range.

    Notes
    -----
    The paper adds the identity, whatever the unit. We shrink towards a multiple of it, as skada, and align means.

    References
    ----------
    Sun, Feng and Saenko, 2016. Return of frustratingly easy domain adaptation.

    Examples
    --------
    >>> source = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    >>> np.cov(align_coral(source, source[:, ::-1], shrinkage=1e-9).T).diagonal().round(3)
    array([1.333, 0.333])
    """
    source, target = check_pair(source, target)
    check_number("shrinkage", shrinkage, above=0, at_most=1)
    with limit_threads(source):
        centred = source - source.mean(axis=0)
        white = _multiply_by_power(centred, centred, shrinkage, -0.5)
        coloured = _multiply_by_power(white, target - target.mean(axis=0), shrinkage, 0.5)
    return coloured + target.mean(axis=0)


def _multiply_by_power(values, centred, shrinkage, power):
    """Return (k, d) values @ C^power, with C the (d, d) shrunk covariance of (n, d) centred features."""
    n, d = centred.shape
    level = shrinkage * np.sum(centred**2) / centred.size
    if level == 0:
        return values
    # With fewer pictures than features, the (n, n) Gram matrix has the same non-zero eigenvalues as the covariance and
    # is smaller. In directions orthogonal to all pictures, C is `level` times the identity.
    squares, vectors = np.linalg.eigh(centred @ centred.T if n < d else centred.T @ centred)
    powers = ((1 - shrinkage) * np.maximum(squares, 0.0) / n + level) ** power
    if n >= d:
        return values @ (vectors * powers) @ vectors.T
    kept = squares > squares[-1] * n * np.finfo(np.float64).eps
    left = vectors[:, kept]
    factors = (powers[kept] - level**power) / squares[kept]
    return values * level**power + (values @ centred.T @ (left * factors)) @ left.T @ centred


def align_subspace(source, target, *, n_components=N_COMPONENTS):
    """Return the source with its first principal directions rotated into those of the target."""
    # Fernando et al. 2013 (Unsupervised visual domain adaptation using subspace alignment). The paper classifies
    # coordinates in the target's subspace; we map these back to features, on which the same head results.
    source, target = check_pair(source, target)
    n_components = check_count("n_components", n_components, 1)
    n_components = min(n_components, len(source) - 1, len(target) - 1, source.shape[1])
    with limit_threads(source):
        centred = source - source.mean(axis=0)
        source_directions, target_directions = (
            np.linalg.svd(values, full_matrices=False)[2][:n_components]
            for values in (centred, target - target.mean(axis=0))
        )
        coordinates = centred @ source_directions.T @ (source_directions @ target_directions.T)
    return coordinates @ target_directions + target.mean(axis=0)


def align_transport(source, target, *, entropy=0.0):
    """Return each source picture moved to the mean of the target pictures that optimal transport assigns to it."""
    # Courty et al. 2017 (Optimal transport for domain adaptation), without their terms that keep classes together. The
    # plan moves all mass at the least squared distance, so surplus pictures of a class go to another. With an entropy,
    # in units of the median squared distance of the domains, Sinkhorn's algorithm (Cuturi 2013) spreads the plan.
    source, target = check_pair(source, target)
    check_number("entropy", entropy, at_least=0)
    (ot,) = import_extra("transport needs", "pip install POT", "ot")
    costs = ot.dist(source, target)
    weights = [np.full(len(values), 1 / len(values)) for values in (source, target)]
    if entropy == 0:
        plan = ot.emd(*weights, costs)
    else:
        scale = float(np.median(costs)) or 1.0
        plan = ot.sinkhorn(*weights, costs / scale, entropy, method="sinkhorn_log")
    return plan @ target / plan.sum(axis=1, keepdims=True)


# Every `align_` function above under the name that `Align` takes. A keyword-only argument is its tunable parameter.
ALIGNMENTS = {"none": lambda source, target: source} | {
    name.removeprefix("align_"): function for name, function in list(globals().items()) if name.startswith("align_")
}
