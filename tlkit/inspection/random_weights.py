"""Runs randomised from the head down, and their heat maps: a sanity check of the heat maps themselves."""

import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import tlkit as tl
from tlkit.arguments import check_count, check_known
from tlkit.cpu.threads import default_states
from tlkit.images.imageset import ImageSet
from tlkit.inspection.heat_maps import grad_cam, integrated_gradients
from tlkit.inspection.network_inputs import choose_labels, show_inputs
from tlkit.names import spell_stage
from tlkit.notices import show_progress

TRAINED, HEAD = "trained", "head"


def list_depths(backbone):
    """Return the depths to which a run can be randomised: "trained" (not at all), "head", then stages from the last."""
    return [TRAINED, HEAD, *map(spell_stage, reversed(backbone.stages))]


def randomize(run, depth=HEAD, *, seed=0):
    """Return a copy of a run with weights that are random from the head down to a depth of `list_depths`."""
    # Adebayo et al. 2018 (Sanity checks for saliency maps) draw new weights for one layer after the other, from the
    # last. We permute the numbers within each tensor, including the buffers of norm layers: this keeps their scale, for
    # any network, and destroys their arrangement. Each part is permuted in the same way whatever the depth.
    import torch

    from tlkit.training.run import check_run

    check_run("run", run)
    depths = list_depths(run.backbone)
    check_known("depth", [depth], depths)
    seed = check_count("seed", seed, 0)
    backbone, head = copy.deepcopy(run.backbone), copy.deepcopy(run.head)
    parts = [head, *reversed(backbone.body.values())][: depths.index(depth)]
    for number, part in enumerate(parts):
        random = np.random.default_rng([seed, number])
        with torch.no_grad():
            for tensor in part.state_dict().values():
                values = tensor.cpu().numpy().reshape(-1)
                tensor.copy_(torch.from_numpy(random.permutation(values).reshape(tensor.shape)))
    return dataclasses.replace(run, backbone=backbone, head=head, looks={}, changed=list(run.changed))


@dataclasses.dataclass(frozen=True, eq=False)
class HeatStudy:
    """Heat maps of some pictures for a trained and increasingly random network; `study_heat_maps` makes one."""

    inputs: np.ndarray  # (n, side, side, 3) uint8: the pictures as the network gets them
    labels: list[str]  # the explained class of each picture: the one that the trained run predicts
    names: list[str]
    depths: Sequence[str]  # as in `list_depths`, "trained" first
    maps: dict[str, np.ndarray]  # by method, (n_depths, n, side, side) float32
    correlations: pd.DataFrame  # method, depth, picture (index), correlation (Spearman's, NaN if a map is constant)

    @functools.cached_property
    def means(self):
        """DataFrame of mean correlations over pictures, without NaN: one row per depth, one column per method."""
        return self.correlations.pivot_table(index="depth", columns="method", values="correlation").loc[self.depths]


@default_states()
def study_heat_maps(
    run: "tl.Run",
    pictures: ImageSet | Sequence,
    methods: Mapping[str, Callable] | None = None,
    *,
    depths: Sequence[str] | None = None,
    inside: ArrayLike | None = None,
    seed: int = 0,
    progress: bool = True,
) -> HeatStudy:
    """Compute heat maps while a run is randomised from its head down, and compare them with the first ones.

    If a map stays the same while the network loses everything it learned, the map cannot show what was learned.

    Parameters
    ----------
    run, pictures : Run, and ImageSet or list
        The trained run, and a few pictures; each is explained once per method and depth.
    methods : dict of str to callable, optional
        Functions `method(run, pictures, label=…)` that return maps (n, side, side), by default Grad-CAM and gradients.
    depths : list of str, optional
        "head" or names of stages: everything from there to the head is randomised. By default all.
    inside : array-like of bool, shape (n, side, side), optional
        Pixels to correlate, such as those of the object; by default all, which on a plain background correlate anyway.
    seed, progress : int, default 0, and bool, default True
        Seed of the permutations, and whether to show a bar over the depths.

    Returns
    -------
    HeatStudy
        `maps` by method, rank `correlations` with the map of the trained run, and their `means` over pictures.

    Raises
    ------
    ValueError
        If a depth is unknown, or the shape of `inside` is not that of the maps.

    Notes
    -----
    The paper draws new weights for one layer after the other; we permute the numbers within each tensor.

    References
    ----------
    Adebayo et al. 2018, Sanity checks for saliency maps.
    Kokhlikyan et al. 2021, Investigating sanity checks for saliency maps with image and text classification.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> run = tl.transfer(tl.load_backbone(weights=None, image_size_px=32), images, "linear_probe", progress=False)
    >>> study_heat_maps(run, images[:2], {"Grad-CAM": grad_cam}, depths=["head"]).maps["Grad-CAM"].shape
    (2, 2, 32, 32)
    """
    import torch

    from tlkit.images.inputs import gather_pictures
    from tlkit.training.run import check_run

    check_run("run", run)
    known = list_depths(run.backbone)
    chosen = known if depths is None else check_known("depths", depths, known)
    depths = [depth for depth in known if depth == TRAINED or depth in chosen]
    methods = methods or {"Grad-CAM": grad_cam, "integrated gradients": _measure_gradients}
    pictures = gather_pictures(pictures)
    # The class stays the one that the trained run predicts: a map of another class would differ for that reason alone.
    labels = choose_labels(run, torch.from_numpy(run.predict(pictures)), None)
    maps = {name: [] for name in methods}
    for depth in show_progress(None, "heat maps", "depth", progress, iterable=depths):
        random = randomize(run, depth, seed=seed)
        for name, method in methods.items():
            maps[name].append(method(random, pictures, label=labels))
    maps = {name: np.stack(of_depths) for name, of_depths in maps.items()}
    shape = next(iter(maps.values())).shape[1:]
    inside = np.ones(shape, bool) if inside is None else np.asarray(inside, bool)
    if inside.shape != shape:
        raise ValueError(f"inside: shape {inside.shape}, expected {shape}, that of the maps")
    rows = [
        (name, depth, picture, correlate_ranks(*of_depths[[0, index], picture][:, inside[picture]]))
        for name, of_depths in maps.items()
        for index, depth in enumerate(depths)
        for picture in range(len(pictures))
    ]
    table = pd.DataFrame(rows, columns=["method", "depth", "picture", "correlation"])
    classes = [run.classes[label] for label in labels]
    return HeatStudy(show_inputs(run, pictures), classes, pictures.names.tolist(), depths, maps, table)


def correlate_ranks(first, second):
    """Return Spearman's rank correlation of two maps of one shape; NaN if one is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (np.ravel(first), np.ravel(second))]
    if any(np.ptp(of_map) == 0 for of_map in ranks):
        return float("nan")
    return float(np.round(np.corrcoef(ranks)[0, 1], 12))


def _measure_gradients(run, pictures, label):
    """Return absolute integrated gradients (n, side, side) from white, in 16 steps."""
    return np.abs(integrated_gradients(run, pictures, label=label, n_steps=16, baseline=(255, 255, 255)))
