"""Distances between two domains, and a permutation test over groups: is a gap more than chance? Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.split_distances import KERNELS, measure_coral, measure_mmd, measure_proxy_a
from tlkit.arguments import check_count, check_known, check_number, read_labels
from tlkit.features.arrays import check_groups, check_labels, check_pair

# The distances of `measure_gaps`, each for many divisions of the same pictures at once.
MEASURES = {
    "proxy_a": measure_proxy_a,
    "mmd": lambda values, sides, groups, seed: measure_mmd(values, sides, "gaussian", None),
    "coral": lambda values, sides, groups, seed: measure_coral(values, sides),
}


def distance_mmd(
    source: ArrayLike, target: ArrayLike, kernel: str = "gaussian", bandwidth: float | None = None
) -> float:
    """Measure the squared maximum mean discrepancy (MMD²) of two domains.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    kernel : {"gaussian", "laplace", "multi", "linear"}, default "gaussian"
        For a distance x of two pictures and bandwidth b: "gaussian" is exp(−x² / 2b²), "laplace" exp(−x / b), "multi"
        the sum of Gaussians at b/4, b/2, b, 2b and 4b, "linear" the dot product, which sees only means.
    bandwidth : float, optional
        By default the median distance of two pictures of either domain. "linear" ignores it.

    Returns
    -------
    float
        The unbiased estimate. It is about 0, and negative half of the time, if the domains don't differ.

    References
    ----------
    Gretton et al., 2012. A kernel two-sample test.

    Examples
    --------
    >>> here = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> round(distance_mmd(here, here + 10, kernel="linear"), 6)
    99.166667
    """
    source, target = check_pair(source, target)
    check_known("kernel", [kernel], KERNELS)
    if bandwidth is not None:
        check_number("bandwidth", bandwidth, above=0)
    return float(measure_mmd(*_join(source, target), kernel, bandwidth)[0])


def distance_coral(source: ArrayLike, target: ArrayLike) -> float:
    """Measure the CORAL distance ‖Cs − Ct‖² / 4d² of the covariances of two domains.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.

    Returns
    -------
    float
        At least 0, whatever the means. See Sun and Saenko, 2016. Deep CORAL: correlation alignment.

    Examples
    --------
    >>> distance_coral([[-1], [1]], [[4], [6]]), distance_coral([[-1], [1]], [[-2], [2]])
    (0.0, 9.0)
    """
    return float(measure_coral(*_join(*check_pair(source, target)))[0])


def distance_proxy_a(source: ArrayLike, target: ArrayLike, source_groups=None, target_groups=None, seed=0) -> float:
    """Measure the proxy A-distance 2 (1 − 2 error) of Fisher's linear discriminant between two domains.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    source_groups, target_groups : (n,) and (m,) array_like, optional
        Groups, never split between the up to 5 folds; ValueError if a fold leaves one domain for training.
    seed : int, default 0
        Seed of the folds.

    Returns
    -------
    float
        2 if separated, else near 0. See Ben-David et al., 2007. Analysis of representations for domain adaptation.

    Examples
    --------
    >>> distance_proxy_a(np.arange(20).reshape(10, 2), np.arange(20).reshape(10, 2) + 100)
    2.0
    """
    source, target = check_pair(source, target)
    seed = check_count("seed", seed, 0)
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    return float(measure_proxy_a(*_join(source, target), groups, seed)[0])


def distance_priors(source_labels, target_labels):
    """Return the total variation distance of the class shares of two domains, 0 to 1 for no common class."""
    read = []
    for argument, labels in (("source_labels", source_labels), ("target_labels", target_labels)):
        check_labels(labels, argument)
        read.append(read_labels(argument, labels))
    classes = np.union1d(*read)
    shares = [(labels[:, None] == classes).mean(axis=0) for labels in read]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _join(source, target):
    """Return the (n + m, d) features of both domains and one division of them, (n + m, 1) bool, True for the target."""
    return np.concatenate([source, target]), np.repeat([False, True], [len(source), len(target)])[:, None]


def permute_gap(measure, source, target, source_groups=None, target_groups=None, n_permutations=199, seed=0):
    """Return (distance, p-value) of two domains: is the gap larger than if groups changed domains at random?"""
    # Gretton et al. 2012 (A kernel two-sample test) permute samples. Pictures of one group resemble each other, so
    # permuted pictures would make any two sets of groups look different. If both domains contain a group, its two parts
    # change places, as in a paired test. `measure(values, sides, groups, seed)` is one of `MEASURES`.
    values, sides = _join(*check_pair(source, target))
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    distances = measure(values, exchange_groups(groups, sides[:, 0], n_permutations, seed), groups, seed)
    # The true division counts as one of the random ones.
    p_value = np.mean(distances >= distances[0]) if n_permutations else np.nan
    return float(distances[0]), float(p_value)


def exchange_groups(groups, is_target, n_permutations, seed):
    """Return (n, 1 + n_permutations) bool divisions of pictures in (n,) groups: the true one, then random ones."""
    random = np.random.default_rng(seed)
    numbers = np.unique(groups, return_inverse=True)[1]
    n_target = np.bincount(numbers, weights=is_target)
    n_pictures = np.bincount(numbers)
    shared = (n_target > 0) & (n_target < n_pictures)
    own = np.flatnonzero(~shared)
    own_sides = n_target[own] > 0
    if not shared.any() and len(np.unique(own_sides)) < 2:
        raise ValueError("groups: all pictures are of one domain, expected groups of both")
    sides = np.empty((len(numbers), 1 + n_permutations), bool)
    sides[:, 0] = is_target
    # Groups of one domain permute their sides; the two parts of a shared group change places or stay.
    side_of, swaps = np.zeros(len(n_target), bool), np.zeros(len(n_target), bool)
    for column in range(1, 1 + n_permutations):
        side_of[own] = random.permutation(own_sides)
        swaps[shared] = random.random(shared.sum()) < 0.5
        sides[:, column] = np.where(shared[numbers], is_target ^ swaps[numbers], side_of[numbers])
    n_least = np.minimum(sides.sum(axis=0), (~sides).sum(axis=0)).min()
    if n_least < 2:
        counts = f"of {len(n_target)} groups with up to {n_pictures.max()} pictures a division leaves {n_least}"
        raise ValueError(f"groups: {counts} pictures on a side, expected two or more: add groups")
    return sides
