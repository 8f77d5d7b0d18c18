"""Two networks compared stage by stage: where do they represent the same pictures alike?"""

import itertools

import numpy as np

from tlkit.arguments import check_count
from tlkit.features.frozen_network import find_places
from tlkit.inspection.paired_scores import held_still, read_batch
from tlkit.inspection.similarity import cka, cka_band

_N_AT_ONCE = 8


def compare_stages(first, second, images, *, every_pair=False, debiased=True, n_permutations=99, seed=0):
    """Measure the CKA of two networks behind their stages, such as one network before and after it was tuned.

    Features are means over places, as a head would get them; Kornblith et al. 2019 take whole maps, in which the same
    thing at another place counts as another thing. Each network runs once over the pictures, and is left as it was.

    Arguments
    ---------
    first, second: Backbone
    images: ImageSet, or a list of pictures
        Some hundred are enough.
    every_pair: bool
        Compare each stage of the first with each of the second; else stages of the same name, and with none in common
        ValueError.
    debiased: bool
        As in `cka`.
    n_permutations: int
        For the band of each pair; 0 for none.
    seed: int

    Returns a DataFrame, a row a pair: first, second (stages), cka, low, high (the band that chance gives; NaN without
    permutations).

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart")[:12]
    >>> networks = [tl.load_backbone(weights=None, image_size_px=32, seed=seed) for seed in (0, 0)]
    >>> compare_stages(*networks, images, n_permutations=0).cka.round(3).unique().tolist()
    [1.0]
    """
    import pandas as pd

    n_permutations = check_count("n_permutations", n_permutations, 0)
    if every_pair:
        pairs = list(itertools.product(first.stages, second.stages))
    else:
        pairs = [(stage, stage) for stage in first.stages if stage in second.stages]
    if not pairs:
        raise ValueError(
            f"second: {second.name} has no stage named as one of {first.name}'s; compare each with each by "
            "every_pair=True"
        )
    ours, theirs = (extract_stages(network, images) for network in (first, second))
    rows = []
    for here, there in pairs:
        features = ours[here], theirs[there]
        band = np.nan, np.nan
        if n_permutations:
            band = cka_band(*features, debiased=debiased, n_permutations=n_permutations, seed=seed)
        rows.append((here, there, cka(*features, debiased=debiased), *band))
    return pd.DataFrame(rows, columns=["first", "second", "cka", "low", "high"])


def extract_stages(backbone, images):
    """Return {stage: (n, n_channels) float32} of the means over places behind every stage, in one run of the network.

    Arguments
    ---------
    backbone: Backbone
        In whatever mode it is, it runs in evaluation mode and is left as it was.
    images: ImageSet, or a list of pictures
    """
    import torch

    batch = read_batch(backbone, images)
    places = {stage: find_places(backbone.infer_shape(backbone.image_size_px, stage)) for stage in backbone.stages}
    found = {stage: [] for stage in backbone.stages}
    with held_still(backbone), torch.no_grad():
        for values in batch.split(_N_AT_ONCE):
            for stage, module in backbone.body.items():
                values = module(values)
                pooled = values.mean(dim=places[stage]) if places[stage] else values
                found[stage].append(pooled.float().cpu().numpy())
    return {stage: np.concatenate(parts) for stage, parts in found.items()}
