"""Similarity of two networks' features of the same pictures: centred kernel alignment (CKA). Without torch."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_count, check_finite
from tlkit.evaluation.intervals import percentile_interval


def cka(a: ArrayLike, b: ArrayLike, *, debiased: bool = True) -> float:
    """Compute the linear centred kernel alignment (CKA) of two sets of features of the same pictures.

    Parameters
    ----------
    a, b : array-like of shapes (n, d) and (n, e)
        Features of the same pictures in the same order, at least four.
    debiased : bool, default True
        Use the unbiased estimate. If False, use the one of Kornblith et al.

    Returns
    -------
    float
        1 if the features are equal up to rotation and scale. Debiased, it is 0 on average for unrelated features, and
        sometimes below.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, or all pictures have the same features.

    Notes
    -----
    CKA compares which pictures are similar in `a` with which are similar in `b`. It does not change under rotation,
    reflection and a common scale, so layers of any width can be compared. The biased estimate of Kornblith et al. is
    too high for few pictures with many features: two sets of noise look alike. The default uses the unbiased
    Hilbert-Schmidt criterion of Song et al., as Nguyen et al. do, computed from U-centred kernels (Székely and Rizzo).

    References
    ----------
    Kornblith et al. 2019, Similarity of neural network representations revisited.
    Song et al. 2012, Feature selection via dependence maximization.
    Székely and Rizzo 2014, Partial distance correlation with methods for dissimilarities.
    Nguyen et al. 2021, Do wide and deep networks learn the same things?
    Murphy et al. 2024, Correcting biased centered kernel alignment measures.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).normal(size=(2, 128, 1280))
    >>> round(cka(a, b, debiased=False), 2), abs(cka(a, b)) < 0.02
    (0.91, True)
    """
    first, second = _center_both(a, b, debiased)
    return float(np.sum(first * second))


def cka_band(a, b, *, debiased=True, n_permutations=199, seed=0):
    """Return the middle 95 % (low, high) of CKA by chance: the same features, with pictures matched at random."""
    n_permutations, seed = check_count("n_permutations", n_permutations, 1), check_count("seed", seed, 0)
    first, second = _center_both(a, b, debiased)
    random = np.random.default_rng(seed)
    values = np.empty(n_permutations)
    for number in range(n_permutations):
        order = random.permutation(len(first))
        values[number] = np.sum(first * second[np.ix_(order, order)])
    return percentile_interval(values)


def _center_both(a, b, debiased):
    """Return two centred kernels, (n, n) each and of norm 1, whose inner product is the alignment."""
    kernels = []
    for name, values in (("a", a), ("b", b)):
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or len(values) < 4:
            raise ValueError(f"{name}: shape {values.shape}, expected (n, n_features) with at least four pictures")
        check_finite(name, values)
        # Centring the features first gives the same kernel, and avoids the rounding errors of a large mean.
        centred = values - values.mean(axis=0)
        kernel = (_center_unbiased if debiased else _center)(centred @ centred.T)
        norm = np.linalg.norm(kernel)
        if norm <= 1e-12 * np.square(values).sum():
            raise ValueError(f"{name}: the same features for every picture, so there is nothing to compare")
        kernels.append(kernel / norm)
    if kernels[0].shape != kernels[1].shape:
        raise ValueError(f"b: {len(kernels[1])} pictures, but a has {len(kernels[0])}; expected the same pictures")
    return kernels


def _center(kernel):
    """Return a kernel (n, n) whose rows and columns have mean 0."""
    means = kernel.mean(axis=0)
    return kernel - means - means[:, None] + means.mean()


def _center_unbiased(kernel):
    """Return the U-centred kernel (n, n): rows and columns sum to 0, with a zero diagonal."""
    # The bias comes from the similarity of each picture to itself, which is large in any features. U-centring removes
    # the diagonal, and divides by n - 2 and (n - 1)(n - 2), the degrees of freedom that are left without it.
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    sums = kernel.sum(axis=0)
    kernel = kernel - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return kernel - np.diag(np.diag(kernel))
