"""How alike two networks represent the same pictures: centred kernel alignment (CKA). Without torch."""

import numpy as np

from tlkit.arguments import check_count, check_finite
from tlkit.evaluation.intervals import percentile_interval


def cka(a, b, *, debiased=True):
    """Return the centred kernel alignment of two sets of features of the same pictures, with a linear kernel.

    Kornblith et al. 2019 (Similarity of neural network representations revisited): compare which pictures are alike in
    the one with which are alike in the other. It doesn't mind rotations, reflections and a common scale, so that any
    two layers can be compared, also of different width.

    Their estimate is biased upwards where there are few pictures for many features: two sets of noise look alike. By
    default the Hilbert-Schmidt criteria are the unbiased ones of Song et al. 2012 (Feature selection via dependence
    maximization), as Nguyen et al. 2021 (Do wide and deep networks learn the same things?) take them, computed as
    products of U-centred kernels (Székely and Rizzo 2014). Murphy et al. 2024 (Correcting biased centered kernel
    alignment measures in biological and artificial neural networks) show what difference it makes.

    Arguments
    ---------
    a: (n, d) float
    b: (n, e) float
        Of the same pictures in the same order, four or more.
    debiased: bool
        False: as in the paper of 2019.

    Returns a float, 1 for the same up to rotation and scale; debiased, 0 on average where there is nothing in common
    and sometimes below. Raises ValueError for other shapes, values that aren't finite, features alike for all pictures.

    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 128, 1280))
    >>> round(cka(a, b, debiased=False), 2), abs(cka(a, b)) < 0.02
    (0.91, True)
    """
    ours, theirs = _center_both(a, b, debiased)
    return float(np.sum(ours * theirs))


def cka_band(a, b, *, debiased=True, n_permutations=199, seed=0):
    """Return between which values CKA lies for the same features where pictures are matched at random.

    A similarity inside the band is no more than chance gives; biased, the band may lie near 1.

    Arguments
    ---------
    a, b, debiased
        As in `cka`.
    n_permutations: int
    seed: int

    Returns (low, high) floats, which hold the middle 95 % of the permutations.

    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 64, 500))
    >>> low, high = cka_band(a, b)
    >>> bool(low < cka(a, b) < high), bool(cka_band(a, b, debiased=False)[0] > 0.8)
    (True, True)
    """
    n_permutations, seed = check_count("n_permutations", n_permutations, 1), check_count("seed", seed, 0)
    ours, theirs = _center_both(a, b, debiased)
    random = np.random.default_rng(seed)
    values = np.empty(n_permutations)
    for number in range(n_permutations):
        order = random.permutation(len(ours))
        values[number] = np.sum(ours * theirs[np.ix_(order, order)])
    return percentile_interval(values)


def _center_both(a, b, debiased):
    """Return the two centred kernels, (n, n) each and of norm 1, whose product is the alignment."""
    kernels = []
    for name, values in (("a", a), ("b", b)):
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or len(values) < 4:
            raise ValueError(f"{name}: shape {values.shape}, expected (n, n_features) with four pictures or more")
        check_finite(name, values)
        # Centred first: the same kernel in the end, without the digits that a large mean would cost.
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
    means = kernel.mean(axis=0)
    return kernel - means - means[:, None] + means.mean()


def _center_unbiased(kernel):
    # Each picture's likeness to itself is what biases: it is left out.
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    sums = kernel.sum(axis=0)
    kernel = kernel - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return kernel - np.diag(np.diag(kernel))
