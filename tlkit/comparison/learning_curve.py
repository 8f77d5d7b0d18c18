"""`learning_curve`: accuracy over the number of training pictures. Without torch until it runs."""

import warnings

import numpy as np

from tlkit.comparison.arms import HAND_MADE
from tlkit.comparison.curve_results import summarise_curve
from tlkit.comparison.runner import (
    DEFAULT_SIZE_PX,
    N_FOLDS,
    check_arms,
    check_numbers,
    describe_arms,
    load_network,
    run_cells,
    split_for,
)

ALL_SHOTS = "all"
DEFAULT_STRATEGIES = (HAND_MADE, "linear_probe", "fine_tune")
DEFAULT_SHOTS = (1, 2, 5, 10, 20)


def learning_curve(
    backbone="efficientnet_lite0",
    images=None,
    strategies=DEFAULT_STRATEGIES,
    shots=DEFAULT_SHOTS,
    seeds=N_FOLDS,
    *,
    image_size_px=DEFAULT_SIZE_PX,
    progress=True,
):
    """Measure how accuracy grows with the number of training pictures, and where one strategy overtakes another.

    It runs as `compare` does: a seed draws everything, and all strategies of a seed see the same pictures. What is
    drawn for fewer shots is part of what is drawn for more, so that a curve rises by what was added, not by the luck of
    another draw. Heads on a frozen network cost seconds once its features are known.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    images: ImageSet, optional
        By default the bundled clip-art.
    strategies: list of str, Strategy or Probe
        One or more; `tl.Probe("ridge", stage="stage3")` is a head of one kind on a network cut behind a stage.
    shots: list of int, or of int and "all"
        Training pictures a class; a class that has fewer gives all it has. "all" takes the whole training side, and
        stands in the tables as the number of pictures of its largest class.
    seeds: int or list of int
        A number n stands for 0 to n - 1; use each fold equally often: 5, 10, …
    image_size_px: int
        At which a backbone given by name is loaded; a `Backbone` keeps its own.
    progress: bool

    Returns a `LearningCurve`. Ctrl-C ends it and returns the seeds that were done by all arms, if there is one.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> network = tl.load_backbone(weights=None, image_size_px=32)
    >>> arms = ["hand_made", tl.Probe("prototype")]
    >>> curve = tl.learning_curve(network, images, arms, shots=[1, 4], seeds=2, progress=False)
    >>> curve.table[["strategy", "shots", "n_train"]].values.tolist()
    [['hand_made', 1, 2.0], ['hand_made', 4, 8.0], ['prototype_probe', 1, 2.0], ['prototype_probe', 4, 8.0]]
    """
    import pandas as pd

    from tlkit.images import load_images

    images = load_images("styles", domain="clipart") if images is None else images
    backbone = load_network(backbone, image_size_px)
    arms = check_arms(strategies, backbone, 1)
    seeds = check_numbers("seeds", seeds, 0)
    shots = [shots] if isinstance(shots, (int, str)) else list(shots)
    if any(isinstance(number, str) and number != ALL_SHOTS for number in shots):
        raise ValueError(f"shots: {shots}, expected whole numbers of at least 1, or {ALL_SHOTS!r}")
    n_all = _count_largest(images, seeds) if ALL_SHOTS in shots else None
    shots = sorted(check_numbers("shots", [n_all if number == ALL_SHOTS else number for number in shots], 1))
    with warnings.catch_warnings():
        # Who asks for all has asked for as many as there are.
        warnings.filterwarnings("ignore", message=f"shots: {n_all} wanted")
        rows, tables = run_cells(backbone, images, arms, shots, seeds, title="learning curve", progress=progress)
    predictions = pd.concat(tables, ignore_index=True)
    return summarise_curve(pd.DataFrame(rows), predictions, describe_arms(backbone, images, arms))


def _count_largest(images, seeds):
    # Of the largest class on any training side.
    return max(int(np.bincount(split_for(images, seed)[1].labels).max()) for seed in seeds)
