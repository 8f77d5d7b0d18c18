"""How far two domains are: MMD, CORAL, the proxy A-distance, and the shift of class priors. Without torch."""

import numpy as np

from tlkit.adaptation.split_distances import KERNELS, measure_coral, measure_mmd, measure_proxy_a
from tlkit.arguments import check_count, check_groups, check_known, check_pair, check_positive


def distance_mmd(source, target, kernel="gaussian", bandwidth=None):
    """Return MMD², the squared distance between the mean embeddings of two domains.

    Gretton et al. 2012 (A kernel two-sample test), the unbiased estimate: no picture is compared with itself. So it is
    around 0, and below it half of the time, where the domains don't differ.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    kernel: str
        With x the Euclidean distance of two pictures and b the bandwidth: "gaussian", exp(−x² / 2b²); "laplace",
        exp(−x / b); "multi", the sum of Gaussians at b/4, b/2, b, 2b and 4b (Long et al. 2015, Learning transferable
        features with deep adaptation networks, whose weights we leave equal); "linear", the product, which sees a
        difference of means only and takes no bandwidth.
    bandwidth: float, optional
        By default the median distance between two pictures of either domain.

    Returns a float. Raises TypeError or ValueError for what can't be features of two domains.

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
    """Raise ValueError for a kernel or bandwidth that isn't one."""
    check_known("kernel", [kernel], KERNELS)
    if bandwidth is not None:
        check_positive("bandwidth", bandwidth)


def distance_coral(source, target):
    """Return the CORAL distance, ‖Cs − Ct‖² / 4d², of the covariances of two domains.

    Sun and Saenko 2016 (Deep CORAL: correlation alignment for deep domain adaptation). It sees neither means nor
    anything beyond pairs of features, and its unit is the fourth power of that of the features.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)

    Returns a float. Raises TypeError or ValueError for what can't be features of two domains.

    >>> here = np.array([[-1.0], [1.0]])
    >>> distance_coral(here, here + 5), distance_coral(here, here * 2)
    (0.0, 9.0)
    """
    return float(measure_coral(*_join(*check_pair(source, target)))[0])


def distance_proxy_a(source, target, source_groups=None, target_groups=None, seed=0):
    """Return the proxy A-distance, 2 (1 − 2 error), of a linear classifier that tells two domains apart.

    Ben-David et al. 2007 (Analysis of representations for domain adaptation). Here the classifier is Fisher's linear
    discriminant by ridge regression, a step of linear algebra; its error is on pictures of groups held out, in up to 5
    folds, each domain counting the same. It is 0 where the domains can't be told apart, and below 0 by chance; 2 where
    they always can, which most pairs of styles reach.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)
    source_groups: (n,), optional
        Groups are learned from or tested whole; one that both domains have is too.
    target_groups: (m,), optional
    seed: int
        Of the folds.

    Returns a float. Raises TypeError or ValueError for what can't be features of two domains.

    >>> random = np.random.default_rng(0)
    >>> here = random.normal(size=(50, 2))
    >>> distance_proxy_a(here, here + 100), distance_proxy_a(here, random.normal(size=(50, 2))) < 0.5
    (2.0, True)
    """
    source, target = check_pair(source, target)
    seed = check_count("seed", seed, 0)
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    return float(measure_proxy_a(*_join(source, target), groups, seed)[0])


def distance_priors(source_labels, target_labels):
    """Return the total variation between the shares of classes in two domains, 0 (equal) to 1 (no class in common).

    Arguments
    ---------
    source_labels: (n,) int or str
    target_labels: (m,) int or str
        Of the same list of classes.

    Returns a float: the share of pictures that would have to change class. Raises ValueError where there are none.

    >>> distance_priors(["bird", "bug"], ["bird", "bird", "bird", "bug"])
    0.25
    """
    source_labels, target_labels = np.asarray(source_labels), np.asarray(target_labels)
    for argument, labels in (("source_labels", source_labels), ("target_labels", target_labels)):
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"{argument}: shape {labels.shape}, expected (n,), a class a picture, of one or more")
    classes = np.union1d(source_labels, target_labels)
    shares = [(labels[:, None] == classes).mean(axis=0) for labels in (source_labels, target_labels)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _join(source, target):
    """Return the pictures of both domains, and which are of the target, as one division of them."""
    return np.concatenate([source, target]), np.repeat([False, True], [len(source), len(target)])[:, None]
