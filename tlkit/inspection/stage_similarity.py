"""Two networks compared stage by stage: how similarly do they represent the same pictures?"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.features.frozen_network import find_spatial_axes
from tlkit.images.imageset import ImageSet
from tlkit.inspection.network_inputs import evaluation_mode, read_batch
from tlkit.inspection.similarity import cka, cka_band

_N_AT_ONCE = 8


def compare_stages(
    first: tl.Backbone,
    second: tl.Backbone,
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
    first, second : Backbone
        The networks; they stay as they are.
    images : ImageSet or list
        Pictures; a few hundred are enough.
    every_pair : bool, default False
        Compare every stage of the first network with every stage of the second, not only stages of the same name.
    debiased : bool, default True
        As in `cka`.
    n_permutations : int, default 99
        Number of permutations for the band of each pair; 0 for no bands.
    seed : int, default 0
        Seed of the permutations.

    Returns
    -------
    DataFrame
        One row per pair of stages:

        - first, second (str): names of the stages.
        - cka (float): their similarity.
        - low, high (float): the middle 95 % of CKA if pictures are matched at random; NaN without permutations.

    Raises
    ------
    ValueError
        If no stage has the same name in both networks, without `every_pair`.

    Notes
    -----
    Features are means over height and width, as a head gets them. Kornblith et al. (see `cka`) compare whole maps, in
    which an object at another position counts as another object.

    Examples
    --------
    >>> import tlkit as tl
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
        raise ValueError(
            f"second: {second.name} has no stage with the name of one of {first.name}'s; compare all pairs with "
            "every_pair=True"
        )
    first_features, second_features = (extract_stages(network, images) for network in (first, second))
    rows = []
    for one, other in pairs:
        features = first_features[one], second_features[other]
        band = np.nan, np.nan
        if n_permutations:
            band = cka_band(*features, debiased=debiased, n_permutations=n_permutations, seed=seed)
        rows.append((one, other, cka(*features, debiased=debiased), *band))
    return pd.DataFrame(rows, columns=["first", "second", "cka", "low", "high"])


def extract_stages(backbone, images):
    """Return {stage: (n, n_channels) float32}, means over height and width behind each stage, in one pass."""
    import torch

    batch = read_batch(backbone, images)
    axes = {stage: find_spatial_axes(backbone.infer_shape(backbone.image_size_px, stage)) for stage in backbone.stages}
    found = {stage: [] for stage in backbone.stages}
    with evaluation_mode(backbone), torch.no_grad():
        for values in batch.split(_N_AT_ONCE):
            for stage, module in backbone.body.items():
                values = module(values)
                pooled = values.mean(dim=axes[stage]) if axes[stage] else values
                found[stage].append(pooled.float().cpu().numpy())
    return {stage: np.concatenate(parts) for stage, parts in found.items()}
