"""`PairedGains`: the gains of one arm over another by seed, and the interval of their mean. Without torch."""

import dataclasses

import numpy as np
import pandas as pd

from tlkit.arguments import check_columns
from tlkit.evaluation.intervals import LEVEL, t_interval, two_way_interval
from tlkit.notices import warn

FIXED_FOLD = -1  # of runs that are all tested on one fixed test set
_PREDICTION_COLUMNS = {"strategy", "shots", "seed", "picture", "group", "label", "predicted"}


@dataclasses.dataclass(frozen=True, eq=False)
class PairedGains:
    """Gains in accuracy of one arm over another, one per seed; `pair_arms` makes them."""

    gains: np.ndarray  # (n_seeds,) float
    # Seeds of one fold are not independent: its test pictures are hard for both. By default each has its own fold.
    folds: np.ndarray | None = None  # (n_seeds,) int
    # If seeds share test pictures, the pictures are a sample too. NaN if a seed was not tested on a picture.
    differences: np.ndarray | None = None  # (n_seeds, n_pictures) float
    groups: np.ndarray | None = None  # (n_pictures,) str

    @property
    def by_fold(self):
        """(n_folds,) mean gain of the seeds of each fold."""
        if self.folds is None:
            return self.gains
        return np.array([self.gains[self.folds == fold].mean() for fold in np.unique(self.folds)])

    @property
    def mean(self):
        """The mean gain, in which each fold has the same weight."""
        return float(self.by_fold.mean())

    def interval(self, level=LEVEL):
        """Return the confidence interval (low, high) of the mean gain; NaN with fewer than two seeds or folds."""
        if self.differences is None:
            return t_interval(self.by_fold, level=level)
        return two_way_interval(self.differences, self.groups, level=level)

    def mix(self, other, share):
        """Return gains interpolated by a share (0 to 1) towards others of the same seeds and pictures."""
        gains = (1 - share) * self.gains + share * other.gains
        if self.differences is None:
            return PairedGains(gains, self.folds)
        differences = (1 - share) * self.differences + share * other.differences
        return PairedGains(gains, self.folds, differences, self.groups)


def pair_arms(runs, predictions, strategy, baseline, shots):
    """Return the `PairedGains` of an arm over another at one number of shots, from tables as in `transfer_gain`."""
    here = runs[_equals(runs["shots"], shots) & runs["strategy"].isin([strategy, baseline])]
    _check_once("runs", here, ["strategy", "shots", "seed", "fold"])
    if len(wrong := here["accuracy"][~here["accuracy"].between(-1, 1)]):  # a difference may be one, too
        raise ValueError(f"runs: an accuracy of {strategy} or {baseline} is {wrong.iloc[0]}, expected -1 to 1")
    one, other = (here[here["strategy"] == name] for name in (strategy, baseline))
    paired = one.merge(other, on=["seed", "fold"], suffixes=("", "_baseline")).sort_values("seed")
    if paired.empty:
        raise ValueError(f"runs: {strategy} at {shots} shots shares no seed and fold with {baseline}")
    gains, folds = (paired["accuracy"] - paired["accuracy_baseline"]).to_numpy(), paired["fold"].to_numpy()
    counts = paired["fold"].value_counts()
    if len(gains) > 1 and len(counts) == 1 and predictions is None:
        raise ValueError("predictions: None, but all seeds were tested on one fold: pass comparison.predictions")
    if counts.min() != counts.max():
        warn(
            f"{strategy}: folds are used unequally ({counts.to_dict()}); each fold has the same weight in the gain, "
            "which therefore differs from the difference of the mean accuracies: use a multiple of the number of folds "
            "as number of seeds"
        )
    if counts.max() > 1 and predictions is not None:
        return PairedGains(gains, folds, *_find_differences(predictions, strategy, baseline, shots, paired["seed"]))
    return PairedGains(gains, folds)


def score_arm(runs, predictions, above=0):
    """Return the `PairedGains` of the runs of one arm over a constant accuracy."""
    gains, folds = runs["accuracy"].to_numpy() - above, runs["fold"].to_numpy()
    if (folds != FIXED_FOLD).any():
        # With a single fold, the interval holds for the pictures of this fold.
        return PairedGains(gains, folds if len(set(folds)) > 1 else None)
    strategy, shots = runs[["strategy", "shots"]].iloc[0]
    arm = predictions[predictions["strategy"] == strategy]
    arm = _add_worth(arm)
    both = pd.concat([arm, arm.assign(strategy="", worth=0.0)])  # the other one is never right
    right, groups = _find_differences(both, strategy, "", shots, runs["seed"])
    return PairedGains(gains, None, right - above, groups)


def _find_differences(predictions, strategy, baseline, shots, seeds):
    """Return the differences (n_seeds, n_pictures) of right (1) and wrong (0) of two arms, and groups (n_pictures,)."""
    check_columns("predictions", predictions, _PREDICTION_COLUMNS)
    here = predictions[_equals(predictions["shots"], shots) & predictions["seed"].isin(seeds)]
    here = here[here["strategy"].isin([strategy, baseline])]
    _check_once("predictions", here, ["strategy", "shots", "seed", "picture"])
    here = _add_worth(here)
    tables = [
        here[here["strategy"] == name].pivot(index="seed", columns="picture", values="worth").sort_index()
        for name in (strategy, baseline)
    ]
    difference = tables[0] - tables[1]
    if not tables[0].isna().equals(tables[1].isna()) or difference.isna().all(axis=1).any():
        raise ValueError(f"predictions: {strategy} and {baseline} were not tested on the same pictures with each seed")
    groups = here.drop_duplicates("picture").set_index("picture")["group"].loc[difference.columns]
    return difference.to_numpy(), groups.to_numpy()


def _add_worth(predictions):
    """Return predictions with the worth of each, by default 1 if it is right and else 0."""
    if "worth" in predictions:
        return predictions
    return predictions.assign(worth=(predictions["label"] == predictions["predicted"]).astype(float))


def _check_once(argument, table, columns):
    """Raise ValueError if rows have the same values in some columns."""
    twice = table[table.duplicated(columns)]
    if len(twice):
        row = ", ".join(f"{name} {twice[name].iloc[0]}" for name in columns)
        raise ValueError(f"{argument}: {len(twice)} rows are there twice, such as {row}: put each run in once")


def _equals(column, value):
    """Return which values of a column equal a value, with NaN and None equal to each other."""
    return column.isna() if value is None or value != value else column == value
