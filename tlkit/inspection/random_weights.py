"""A network made random from its head down, and what its heat maps say of it then: a check of the maps themselves."""

import copy
import dataclasses
import functools

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.inspection.heat_maps import grad_cam, integrated_gradients
from tlkit.inspection.paired_scores import choose_labels, show_inputs

TRAINED, HEAD = "trained", "head"


def list_depths(backbone):
    """Return how far down a run can be made random: "trained" (not at all), "head", then stages from last to first.

    >>> import tlkit as tl
    >>> list_depths(tl.load_backbone(weights=None, image_size_px=32))[:3]
    ['trained', 'head', 'conv_head']
    """
    return [TRAINED, HEAD, *reversed(backbone.stages)]


def randomize(run, depth=HEAD, *, seed=0):
    """Return a copy of a run that has forgotten what it learned, from its head down to a stage.

    Adebayo et al. 2018 (Sanity checks for saliency maps) give the layers new random weights, one after the other from
    the last one on. We shuffle the numbers within each tensor, buffers of norm layers too: the same scale as before,
    for any network, and nothing left of which number stood where.

    Arguments
    ---------
    run: Run
        It stays as it was.
    depth: str
        One of `list_depths`; what lies between it and the output is shuffled too, the same way whatever the depth.
    seed: int

    Returns a Run. Raises ValueError for an unknown depth.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> run = tl.transfer(tl.load_backbone(weights=None, image_size_px=32), images, "linear_probe", progress=False)
    >>> random = randomize(run, "head")
    >>> bool((random.head.weight == run.head.weight).all())
    False
    """
    from tlkit.training.run import check_run

    check_run("run", run)
    depths = list_depths(run.backbone)
    check_known("depth", [depth], depths)
    seed = check_count("seed", seed, 0)
    backbone, head = copy.deepcopy(run.backbone), copy.deepcopy(run.head)
    parts = [head, *reversed(backbone.body.values())][: depths.index(depth)]
    for number, part in enumerate(parts):
        _shuffle(part, np.random.default_rng([seed, number]))
    return dataclasses.replace(run, backbone=backbone, head=head, looks={}, changed=list(run.changed))


def _shuffle(module, random):
    import torch

    with torch.no_grad():
        for tensor in module.state_dict().values():
            values = tensor.cpu().numpy().reshape(-1)
            tensor.copy_(torch.from_numpy(random.permutation(values).reshape(tensor.shape)))


@dataclasses.dataclass(frozen=True, eq=False)
class HeatStudy:
    """Heat maps of some pictures, trained and ever more random; `study_heat_maps` makes one.

    Arguments
    ---------
    squares: (n, side, side, 3) uint8
        What the network sees.
    labels: list of str
        The class whose score is explained, for each picture: what the trained run predicts.
    names: list of str
        Of the pictures.
    depths: list of str
        As in `list_depths`, those that were tried, "trained" first.
    maps: dict of str to (n_depths, n, side, side) float32
        By the name of the method.
    correlations: DataFrame
        A row a method, depth and picture: method, depth, picture (position), correlation (Spearman's, with the map of
        the trained run; NaN where a map is the same everywhere).
    """

    squares: np.ndarray
    labels: list
    names: list
    depths: list
    maps: dict
    correlations: object

    @functools.cached_property
    def means(self):
        """DataFrame: mean correlation over pictures, a row a depth, a column a method."""
        return self.correlations.pivot_table(index="depth", columns="method", values="correlation").loc[self.depths]


def study_heat_maps(run, pictures, methods=None, *, depths=None, seed=0):
    """Compute heat maps while a run is made random from its head down, and how like the first ones they stay.

    A map that stays the same while the network forgets all that it learned can't show what it learned.

    Arguments
    ---------
    run: Run
    pictures: ImageSet, or a list of pictures
        A few; each is explained once a method and depth.
    methods: dict of str to callable, optional
        `method(run, pictures, label=…)` gives (n, side, side) maps; by default Grad-CAM, and the size of integrated
        gradients from white in 16 steps.
    depths: list of str, optional
        Of `list_depths`; by default all.
    seed: int
        Of what `randomize` shuffles.

    Returns a `HeatStudy`. Raises ValueError for an unknown depth.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> run = tl.transfer(tl.load_backbone(weights=None, image_size_px=32), images, "linear_probe", progress=False)
    >>> study = study_heat_maps(run, images[:2], {"Grad-CAM": grad_cam}, depths=["head"])
    >>> study.depths, study.maps["Grad-CAM"].shape
    (['trained', 'head'], (2, 2, 32, 32))
    """
    import pandas as pd
    import torch

    from tlkit.images.inputs import gather_pictures
    from tlkit.training.run import check_run

    check_run("run", run)
    known = list_depths(run.backbone)
    wanted = known if depths is None else check_known("depths", depths, known)
    depths = [depth for depth in known if depth == TRAINED or depth in wanted]
    methods = methods or {"Grad-CAM": grad_cam, "integrated gradients": _measure_gradients}
    pictures = gather_pictures(pictures)
    labels = choose_labels(run, torch.from_numpy(run.predict(pictures)), None)
    maps = {name: [] for name in methods}
    for depth in depths:
        random = randomize(run, depth, seed=seed)
        for name, method in methods.items():
            maps[name].append(method(random, pictures, label=labels))
    maps = {name: np.stack(of_depths) for name, of_depths in maps.items()}
    rows = [
        (name, depth, picture, correlate_ranks(of_depths[0, picture], of_depths[place, picture]))
        for name, of_depths in maps.items()
        for place, depth in enumerate(depths)
        for picture in range(len(pictures))
    ]
    table = pd.DataFrame(rows, columns=["method", "depth", "picture", "correlation"])
    classes = [run.classes[label] for label in labels]
    return HeatStudy(show_inputs(run, pictures), classes, pictures.names.tolist(), depths, maps, table)


def correlate_ranks(first, second):
    """Return Spearman's rank correlation of two maps of one shape, NaN where one is the same everywhere.

    >>> correlate_ranks(np.array([[0, 1], [2, 3]]), np.array([[1, 10], [100, 1000]]))
    1.0
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (np.ravel(first), np.ravel(second))]
    if any(np.ptp(of_map) == 0 for of_map in ranks):
        return float("nan")
    return float(np.round(np.corrcoef(ranks)[0, 1], 12))


def _measure_gradients(run, pictures, label):
    return np.abs(integrated_gradients(run, pictures, label=label, n_steps=16, baseline=(255, 255, 255)))
