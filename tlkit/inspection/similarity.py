"""Similarity of two networks' features of the same pictures, also stage by stage: CKA. Without torch until it runs."""

import itertools

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.cpu.threads import convolutions, default_states
from tlkit.evaluation.intervals import percentile_interval
from tlkit.features.arrays import check_rows
from tlkit.features.frozen_network import find_spatial_axes
from tlkit.images.imageset import ImageSet
from tlkit.inspection.network_inputs import read_batch

_N_AT_ONCE = 8


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
        1 if equal up to rotation and scale; debiased, 0 on average for unrelated features, and sometimes below.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, values are no finite numbers, or all pictures have the same features.

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
        values = check_rows(name, values)
        if len(values) < 4:
            raise ValueError(f"{name}: {len(values)} pictures, expected at least four")
        # Centring the features first gives the same kernel, and avoids the rounding errors of a large mean.
        centred = values - values.mean(axis=0)
        kernel = (center_unbiased if debiased else center)(centred @ centred.T)
        norm = np.linalg.norm(kernel)
        if norm <= 1e-12 * np.square(values).sum():
            raise ValueError(f"{name}: the same features for every picture, so there is nothing to compare")
        kernels.append(kernel / norm)
    if kernels[0].shape != kernels[1].shape:
        raise ValueError(f"b: {len(kernels[1])} pictures, but a has {len(kernels[0])}; expected the same pictures")
    return kernels


def center(kernel):
    """Return a kernel (n, n) whose rows and columns have mean 0."""
    means = kernel.mean(axis=0)
    return kernel - means - means[:, None] + means.mean()


def center_unbiased(kernel):
    """Return the U-centred kernel (n, n): rows and columns sum to 0, with a zero diagonal."""
    # The bias comes from the similarity of each picture to itself, which is large in any features. U-centring removes
    # the diagonal, and divides by n - 2 and (n - 1)(n - 2), the degrees of freedom that are left without it.
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    sums = kernel.sum(axis=0)
    kernel = kernel - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return kernel - np.diag(np.diag(kernel))


@default_states()
def compare_stages(
    first: "tl.Backbone",
    second: "tl.Backbone",
    images: ImageSet | list,
    *,
    every_pair: bool = False,
    debiased: bool = True,
    n_permutations: int = 99,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure the CKA of two networks by stage, for example of one network before and after fine-tuning.

    Parameters
    ----------
    first, second, images : Backbone, Backbone, and ImageSet or list
        The networks, which stay as they are, and pictures; a few hundred are enough.
    every_pair, debiased : bool
        Compare every stage with every stage, not only stages of the same name (default); and as in `cka`.
    n_permutations, seed : int
        Number of permutations for the band of each pair, by default 99 (0 for no bands), and their seed.

    Returns
    -------
    DataFrame
        One row per pair of stages:

        - first, second (str), cka (float): names of the stages, and their similarity.
        - low, high (float): the middle 95 % of CKA if pictures are matched at random; NaN without permutations.

    Raises
    ------
    ValueError
        If no stage has the same name in both networks, without `every_pair`.

    Notes
    -----
    Features are means over height and width, as a head gets them; Kornblith et al. (see `cka`) compare maps.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")[:12]
    >>> networks = [tl.load_backbone(weights=None, image_size_px=32, seed=seed) for seed in (0, 0)]
    >>> compare_stages(*networks, images, n_permutations=0).cka.round(3).unique().tolist()
    [1.0]
    """
    n_permutations = check_count("n_permutations", n_permutations, 0)
    if every_pair:
        pairs = list(itertools.product(first.stages, second.stages))
    else:
        pairs = [(stage, stage) for stage in first.stages if stage in second.stages]
    if not pairs:
        raise ValueError(f"second: {second.name} has no stage with the name of {first.name}'s; use every_pair=True")
    first_features, second_features = (extract_stages(network, images) for network in (first, second))
    rows = []
    for one, other in pairs:
        features = first_features[one], second_features[other]
        band = np.nan, np.nan
        if n_permutations:
            band = cka_band(*features, debiased=debiased, n_permutations=n_permutations, seed=seed)
        rows.append((one, other, cka(*features, debiased=debiased), *band))
    return pd.DataFrame(rows, columns=["first", "second", "cka", "low", "high"])


@convolutions.together()
def extract_stages(backbone, images):
    """Return {stage: (n, n_channels) float32}, means over height and width behind each stage, in one pass."""
    import torch

    from tlkit.backbones.backbone import copy_modules

    batch = read_batch(backbone, images)
    axes = {stage: find_spatial_axes(backbone.infer_shape(stage=stage)) for stage in backbone.stages}
    found = {stage: [] for stage in backbone.stages}
    backbone = copy_modules(backbone)
    with torch.no_grad():
        for values in batch.split(_N_AT_ONCE):
            for stage, module in backbone.body.items():
                values = module(values)
                pooled = values.mean(dim=axes[stage]) if axes[stage] else values
                found[stage].append(pooled.float().cpu().numpy())
    return {stage: np.concatenate(parts) for stage, parts in found.items()}
