"""Distances between two domains: MMD, CORAL, proxy A-distance, and the shift of class priors. Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.split_distances import KERNELS, measure_coral, measure_mmd, measure_proxy_a
from tlkit.arguments import check_count, check_known, check_number
from tlkit.features.arrays import check_groups, check_pair


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

    Notes
    -----
    For "multi", the second paper optimises the weights of the kernels; ours are equal.

    References
    ----------
    Gretton et al., 2012. A kernel two-sample test.
    Long et al., 2015. Learning transferable features with deep adaptation networks.

    Examples
    --------
    >>> here = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> round(distance_mmd(here, here + 10, kernel="linear"), 6)
    99.166667
    >>> distance_mmd(here, here + 1) < distance_mmd(here, here + 2)
    True
    """
    source, target = check_pair(source, target)
    check_kernel(kernel, bandwidth)
    return float(measure_mmd(*_join(source, target), kernel, bandwidth)[0])


def check_kernel(kernel, bandwidth):
    """Raise ValueError if the kernel is unknown or the bandwidth isn't positive."""
    check_known("kernel", [kernel], KERNELS)
    if bandwidth is not None:
        check_number("bandwidth", bandwidth, above=0)


def distance_coral(source: ArrayLike, target: ArrayLike) -> float:
    """Measure the CORAL distance ‖Cs − Ct‖² / 4d² between the covariances of two domains.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.

    Returns
    -------
    float
        At least 0, in the fourth power of the features' unit. Differences of means don't count.

    References
    ----------
    Sun and Saenko, 2016. Deep CORAL: correlation alignment for deep domain adaptation.

    Examples
    --------
    >>> here = np.array([[-1.0], [1.0]])
    >>> distance_coral(here, here + 5), distance_coral(here, here * 2)
    (0.0, 9.0)
    """
    return float(measure_coral(*_join(*check_pair(source, target)))[0])


def distance_proxy_a(
    source: ArrayLike,
    target: ArrayLike,
    source_groups: ArrayLike | None = None,
    target_groups: ArrayLike | None = None,
    seed: int = 0,
) -> float:
    """Measure the proxy A-distance 2 (1 − 2 error) of a linear classifier that separates two domains.

    Parameters
    ----------
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    source_groups, target_groups : (n,) and (m,) array_like, optional
        Groups of pictures that are never split between training and test folds, even if both domains contain them.
    seed : int, default 0
        Seed of the folds.

    Returns
    -------
    float
        2 if the domains are always separated, which most pairs of styles reach. About 0, or by chance below, if they
        can't be separated.

    Raises
    ------
    TypeError, ValueError
        If the features or groups are invalid, or a fold leaves pictures of only one domain for training.

    Notes
    -----
    The classifier is Fisher's linear discriminant, computed by ridge regression. Its error is cross-validated in up to
    5 folds, and both domains count the same.

    References
    ----------
    Ben-David et al., 2007. Analysis of representations for domain adaptation.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> here = random.normal(size=(50, 2))
    >>> distance_proxy_a(here, here + 100), distance_proxy_a(here, random.normal(size=(50, 2))) < 0.5
    (2.0, True)
    """
    source, target = check_pair(source, target)
    seed = check_count("seed", seed, 0)
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    return float(measure_proxy_a(*_join(source, target), groups, seed)[0])


def distance_priors(source_labels: ArrayLike, target_labels: ArrayLike) -> float:
    """Measure the total variation distance between the class shares of two domains.

    Parameters
    ----------
    source_labels : (n,) int or str array_like
        Labels of the source.
    target_labels : (m,) int or str array_like
        Labels of the target, with the same meaning.

    Returns
    -------
    float
        0 for equal shares to 1 for no common class: the share of pictures that would have to change class.

    Raises
    ------
    ValueError
        If a domain has no labels.

    Examples
    --------
    >>> distance_priors(["bird", "bug"], ["bird", "bird", "bird", "bug"])
    0.25
    """
    source_labels, target_labels = np.asarray(source_labels), np.asarray(target_labels)
    for argument, labels in (("source_labels", source_labels), ("target_labels", target_labels)):
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"{argument}: shape {labels.shape}, expected (n,), one class per picture, n at least 1")
    classes = np.union1d(source_labels, target_labels)
    shares = [(labels[:, None] == classes).mean(axis=0) for labels in (source_labels, target_labels)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _join(source, target):
    """Return the (n + m, d) features of both domains and one division of them, (n + m, 1) bool, True for the target."""
    return np.concatenate([source, target]), np.repeat([False, True], [len(source), len(target)])[:, None]
