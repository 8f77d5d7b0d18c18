"""`learning_curve`: accuracy over the number of training pictures. Without torch until it runs."""

from collections.abc import Sequence

import numpy as np

import tlkit as tl
from tlkit.comparison.arms import DEFAULT_SIZE_PX, HAND_MADE, choose_split, describe_arms, read_inputs, run_arms
from tlkit.comparison.curve_results import LearningCurve, summarise_curve
from tlkit.comparison.runner import read_counts, read_seeds
from tlkit.comparison.workers import check_workers
from tlkit.cpu.threads import default_states, hide_warnings
from tlkit.images.splits import N_FOLDS

ALL_SHOTS = "all"
DEFAULT_STRATEGIES = (HAND_MADE, "linear_probe", "fine_tune")
DEFAULT_SHOTS = (1, 2, 5, 10, 20)


@default_states()
def learning_curve(
    backbone: "tl.Backbone | str" = "efficientnet_lite0",
    images: "tl.ImageSet | None" = None,
    strategies: "Sequence[str | tl.Strategy | tl.Probe]" = DEFAULT_STRATEGIES,
    shots: int | str | Sequence[int | str] = DEFAULT_SHOTS,
    seeds: int | Sequence[int] = N_FOLDS,
    *,
    image_size_px: int = DEFAULT_SIZE_PX,
    progress: bool = True,
    n_workers: int = 1,
    test: "tl.ImageSet | None" = None,
) -> LearningCurve:
    """Measure how accuracy grows with the number of training pictures, and where one strategy overtakes another.

    As in `compare`, a seed draws everything, all strategies of a seed see the same pictures, and Ctrl-C keeps finished
    seeds. The draw for fewer shots is part of the draw for more, so a curve rises through the added pictures.

    Parameters
    ----------
    backbone, images : Backbone or str, and ImageSet, optional
        A backbone, or its name, and labelled pictures; by default as in `compare`.
    strategies : list of str, Strategy or Probe
        One or more. For example, `tl.Probe("ridge", stage="stage3")` is a ridge classifier on the output of a stage.
    shots : list of int or "all"
        Training pictures per class, at most all it has; "all" is shown as the number of the largest class.
    seeds : int or list of int, default 5
        A number n stands for 0 to n - 1. Use each fold equally often: 5, 10, 15.
    image_size_px, progress : int and bool
        Input size of a backbone given by name, by default 96, and whether to show a progress bar, as in `compare`.
    n_workers, test : int, and ImageSet, optional
        Number of runs computed at a time, and a fixed test set for all runs, as in `compare`.

    Returns
    -------
    LearningCurve
        Accuracies per number of shots, differences between strategies, and crossings.

    Raises
    ------
    ValueError
        If a strategy, number of shots, seed, number of workers or test set can't be used.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> network = tl.load_backbone(weights=None, image_size_px=32)
    >>> arms = ["hand_made", tl.Probe("prototype")]
    >>> curve = tl.learning_curve(network, images, arms, shots=[1, 4], seeds=2, progress=False)
    >>> curve.table[["strategy", "shots", "n_train"]].values.tolist()
    [['hand_made', 1, 2.0], ['hand_made', 4, 8.0], ['prototype_probe', 1, 2.0], ['prototype_probe', 4, 8.0]]
    """
    n_workers = check_workers(n_workers)
    backbone, images, arms, test = read_inputs(backbone, images, strategies, 1, image_size_px, test)
    seeds = read_seeds(seeds)
    shots = [shots] if np.ndim(shots) == 0 else list(shots)
    if any(isinstance(number, str) and number != ALL_SHOTS for number in shots):
        raise ValueError(f"shots: {shots}, expected whole numbers of at least 1, or {ALL_SHOTS!r}")
    # The pictures of the largest class in the training set of any seed.
    n_all = max(choose_split(images, seed, test)[1].counts.max() for seed in seeds) if ALL_SHOTS in shots else None
    shots = sorted(read_counts("shots", [n_all if number == ALL_SHOTS else number for number in shots], 1))
    # With "all" shots it is expected that most classes have fewer.
    with hide_warnings(f"shots: {n_all} wanted"):
        settings = {"progress": progress, "n_workers": n_workers, "title": "learning curve"}
        runs, predictions = run_arms(backbone, images, arms, shots, seeds, test, **settings)
    return summarise_curve(runs, predictions, describe_arms(backbone, images, arms, test))
