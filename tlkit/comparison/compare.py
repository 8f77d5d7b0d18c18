"""`compare` and its `Comparison`: strategies on the same splits and seeds. Without torch until it runs."""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

import tlkit as tl
from tlkit.comparison.arms import DEFAULT_SIZE_PX, HAND_MADE, average_runs, describe_arms, read_inputs, run_arms
from tlkit.comparison.runner import read_counts, read_seeds
from tlkit.comparison.workers import check_workers
from tlkit.cpu.threads import default_states
from tlkit.evaluation.gains import CANNOT_TELL, transfer_gain
from tlkit.images.splits import N_FOLDS

DEFAULT_STRATEGIES = ("from_scratch", HAND_MADE, "linear_probe", "fine_tune", "lp_ft")


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Strategies side by side, as `tlkit.compare` returns them; Jupyter shows the table.

    Parameters
    ----------
    runs : DataFrame
        One row per run:

        - strategy (str), shots (int), seed (int), fold (int): identify the run; fold -1 is a fixed test set.
        - accuracy (float), balanced_accuracy (float): share of test pictures predicted correctly, and its class mean.
        - n_train (int), n_steps (int): numbers of training pictures and of optimiser steps (0 if the head was solved).
        - duration_s, peak_memory_mib (float): seconds without features that all runs share, and the process's MiB.
    predictions : DataFrame
        One row per test picture and run:

        - strategy, shots, seed, fold: as in `runs`; picture (str), group (str): names of the picture and its group.
        - label (str), predicted (str), probability (float): true and predicted class, and the latter's probability.
    table : DataFrame
        One row per strategy and number of shots, with means over seeds:

        - strategy (str), shots (int): identify the row.
        - accuracy, accuracy_low, accuracy_high, balanced_accuracy (float): means, and the 95 % interval of the first.
        - gain, gain_low, gain_high (float): gain over `baseline`; all intervals together hold with 95 % confidence.
        - n_seeds (int): number of seeds.
        - verdict (str): conclusion from the interval of the gain; "baseline" for the baseline.
        - n_seeds_to_tell (float): number of seeds that would settle "can't tell", else NaN.
        - duration_s (float), peak_memory_mib (float), n_train (float), n_steps (float): means, but the largest memory.
        - n_configurations (int): number of settings tried per run.
    baseline, description : str and dict
        Strategy that the gains refer to; backbone, image size, pictures and strategies that were compared.

    Examples
    --------
    >>> table = pd.DataFrame({"strategy": ["from_scratch", "lp_ft"], "shots": 5, "verdict": ["baseline", "helps"]})
    >>> Comparison(None, None, table, "from_scratch", {}).verdicts
    {('lp_ft', 5): 'helps'}
    """

    runs: pd.DataFrame
    predictions: pd.DataFrame
    table: pd.DataFrame
    baseline: str
    description: dict

    @property
    def verdicts(self) -> dict[tuple[str, int], str]:
        """Verdict per (strategy, shots), without the baseline."""
        arms = self.table[self.table["strategy"] != self.baseline]
        return {(row.strategy, row.shots): row.verdict for row in arms.itertuples()}

    def draw(self, ax: Any) -> Any:
        """Draw accuracies with their intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes
            Axes to draw on.

        Returns
        -------
        matplotlib.axes.Axes
            The same axes.
        """
        from tlkit.plots.comparison import draw_comparison

        return draw_comparison(self, ax)

    def _repr_html_(self):
        """Return the table for Jupyter."""
        return self.table.round(3).to_html(index=False)

    def __repr__(self):
        return self.table.round(3).to_string(index=False)


@default_states()
def compare(
    backbone: "tl.Backbone | str" = "efficientnet_lite0",
    images: "tl.ImageSet | None" = None,
    strategies: "Sequence[str | tl.Strategy | tl.Probe]" = DEFAULT_STRATEGIES,
    shots: int | Sequence[int] = (5,),
    seeds: int | Sequence[int] = N_FOLDS,
    *,
    image_size_px: int = DEFAULT_SIZE_PX,
    baseline: str | None = None,
    progress: bool = True,
    n_workers: int = 1,
    test: "tl.ImageSet | None" = None,
    on_run: "Callable[[pd.DataFrame, pd.DataFrame], None] | None" = None,
) -> Comparison:
    """Train each strategy at each number of shots with each seed, on the same pictures for all strategies.

    A seed draws everything: the test fold (seed modulo 5), the shots from the other four folds, random weights, the
    order of the pictures and their augmentation. Features of frozen networks are computed once before all runs. Ctrl-C
    ends the comparison and keeps the seeds that all strategies have finished; without any, it raises KeyboardInterrupt.

    Parameters
    ----------
    backbone : Backbone or str, default "efficientnet_lite0"
        A backbone, or its name for `load_backbone`.
    images : ImageSet, optional
        Labelled pictures; by default the bundled clip-art. With several labels per picture, the strategies are
        "linear_probe", "hand_made" and logistic probes, and tables have mean_average_precision instead of accuracy.
    strategies : list of str, Strategy or Probe
        Two or more. "hand_made" is a ridge classifier without a network, on gradients and colours or TF-IDF of texts.
    shots : int or list of int
        Training pictures per class; a class that has fewer gives all of them.
    seeds : int or list of int, default 5
        A number n stands for 0 to n - 1. Use each fold equally often: 5, 10, 15.
    image_size_px : int, default 96
        Input size of a backbone given by name; a `Backbone` keeps its own.
    baseline : str, optional
        Strategy that the gains refer to; by default "from_scratch" if it is compared, else the first one.
    progress : bool, default True
        Whether to show a progress bar.
    n_workers : int, default 1
        Number of runs computed at a time, each in a process of about 300 MiB with its share of the processors. More
        than 1 needs Linux, and that this process hasn't used OpenVINO or a GPU. It may change the results' last bits.
    test : ImageSet, optional
        A fixed test set: all runs are tested on it, and `images`, which have its classes, are all for training.
    on_run : callable, optional
        Called when a run ends, with its row of `runs` and its `predictions`, for example to write them to a file.

    Returns
    -------
    Comparison
        Scores per run, predictions per picture, and a table of means with verdicts.

    Raises
    ------
    ValueError
        If an argument can't be used, or if a test picture is also in `images`.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> comparison = tl.compare(backbone, images, ["hand_made", "linear_probe"], shots=2, seeds=2, progress=False)
    >>> comparison.table[["strategy", "n_train", "n_seeds", "verdict"]].values.tolist()
    [['hand_made', 4.0, 2, 'baseline'], ['linear_probe', 4.0, 2, "can't tell"]]
    """
    n_workers = check_workers(n_workers)
    if on_run is not None and not callable(on_run):
        raise TypeError(f"on_run: {on_run!r}, expected a function or None")
    backbone, images, arms, test = read_inputs(backbone, images, strategies, 2, image_size_px, test, several=True)
    shots, seeds = read_counts("shots", shots, 1), read_seeds(seeds)
    if baseline is None:
        baseline = "from_scratch" if "from_scratch" in arms else next(iter(arms))
    if baseline not in arms:
        raise ValueError(f"baseline: {baseline!r} is not compared; expected one of {', '.join(arms)}")
    settings = {"progress": progress, "n_workers": n_workers, "title": "compare"}
    described = {"baseline": baseline, "description": describe_arms(backbone, images, arms, test)}
    if images.labels.ndim == 2:
        label_arms = importlib.import_module("tlkit.comparison.label_arms")
        inputs = backbone, images, arms, shots, seeds, test
        return label_arms.compare_labels(functools.partial(summarise, **described), inputs, on_run, **settings)
    return summarise(*run_arms(backbone, images, arms, shots, seeds, test, on_run, **settings), **described)


def summarise(runs, predictions, baseline, description, gains=None):
    """Return the `Comparison` of runs and predictions, as it has them; without gains, they are those of these runs."""
    gains = transfer_gain(runs, predictions, baseline) if gains is None else gains
    gains = gains.drop(columns=["baseline", "n_seeds", "n_pictures_to_tell"])
    table = average_runs(runs, predictions).merge(gains, on=["strategy", "shots"], how="left", sort=False)
    # Settings are fixed beforehand, the same for every set of pictures: none is chosen by its result.
    table["n_configurations"] = 1
    table["verdict"] = table["verdict"].fillna(CANNOT_TELL).mask(table["strategy"] == baseline, "baseline")
    scores = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "gain", "gain_low", "gain_high"]
    costs = ["duration_s", "peak_memory_mib", "n_train", "n_steps", "n_configurations"]
    table = table[["strategy", "shots", *scores, "n_seeds", "verdict", "n_seeds_to_tell", *costs]]
    return Comparison(runs, predictions, table, baseline, description)
