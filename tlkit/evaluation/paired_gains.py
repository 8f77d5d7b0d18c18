"""`PairedGains`: what one arm gains over another, seed by seed, and the interval of its mean. Without torch."""

import dataclasses
import warnings

import numpy as np

from tlkit.arguments import check_columns
from tlkit.evaluation.intervals import LEVEL, t_interval, two_way_interval

_PREDICTION_COLUMNS = {"strategy", "shots", "seed", "picture", "group", "label", "predicted"}


@dataclasses.dataclass(frozen=True, eq=False)
class PairedGains:
    """Gains of one arm over another, seed by seed; `pair_arms` makes them.

    Arguments
    ---------
    gains: (n_seeds,) float
        Accuracy of the one minus that of the other.
    folds: (n_seeds,) int, optional
        Which test pictures each seed has. Seeds of one fold are no two samples: its pictures are hard for both. By
        default each has its own.
    differences: (n_seeds, n_pictures) float, optional
        The same picture by picture, where seeds share test pictures: the pictures are then a sample too. NaN where a
        seed wasn't tested on one.
    groups: (n_pictures,) str, optional
    """

    gains: np.ndarray
    folds: np.ndarray | None = None
    differences: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def by_fold(self):
        """(n_folds,) the mean gain of the seeds of each fold."""
        if self.folds is None:
            return self.gains
        return np.array([self.gains[self.folds == fold].mean() for fold in np.unique(self.folds)])

    @property
    def mean(self):
        """The mean gain, in which each fold counts the same."""
        return float(self.by_fold.mean())

    def interval(self, level=LEVEL):
        """Return (low, high) of the mean gain; NaN where there are fewer than two seeds, or folds.

        `level` is how often it holds the true mean, above 0 and below 1.
        """
        if self.differences is None:
            return t_interval(self.by_fold, level=level)
        return two_way_interval(self.differences, self.groups, level=level)

    def mix(self, other, share):
        """Return the gains that lie a share of the way (0 to 1) towards others of the same seeds and pictures."""
        gains = (1 - share) * self.gains + share * other.gains
        if self.differences is None:
            return PairedGains(gains, self.folds)
        differences = (1 - share) * self.differences + share * other.differences
        return PairedGains(gains, self.folds, differences, self.groups)


def pair_arms(runs, predictions, strategy, baseline, shots):
    """Return the `PairedGains` of one arm over another at one number of shots, in the order of seeds.

    Arguments
    ---------
    runs, predictions: DataFrame
        As in `transfer_gain`, which says when the predictions are needed.
    strategy, baseline: str
    shots: int

    Raises ValueError where they share no seed and fold, or weren't tested on the same pictures.
    """
    here = runs[_same(runs["shots"], shots)]
    paired = here[here["strategy"] == strategy].merge(
        here[here["strategy"] == baseline], on=["seed", "fold"], suffixes=("", "_baseline")
    )
    if paired.empty:
        raise ValueError(f"runs: {strategy} at {shots} shots shares no seed and fold with {baseline}")
    paired = paired.sort_values("seed")
    gains, folds = (paired["accuracy"] - paired["accuracy_baseline"]).to_numpy(), paired["fold"].to_numpy()
    counts = paired["fold"].value_counts()
    if len(gains) > 1 and len(counts) == 1 and predictions is None:
        raise ValueError(
            "predictions: None, but all seeds were tested on one fold, so that the interval needs them: pass "
            "comparison.predictions, or test on several folds"
        )
    if counts.min() != counts.max():
        warnings.warn(
            f"{strategy}: folds are used unequally ({counts.to_dict()}); each counts the same in the gain, so that it "
            "isn't the difference of the mean accuracies: take a multiple of the number of folds as seeds",
            stacklevel=3,
        )
    if counts.max() > 1 and predictions is not None:
        return PairedGains(gains, folds, *_differences(predictions, strategy, baseline, shots, paired["seed"]))
    return PairedGains(gains, folds)


def _differences(predictions, strategy, baseline, shots, seeds):
    check_columns("predictions", predictions, _PREDICTION_COLUMNS)
    here = predictions[_same(predictions["shots"], shots) & predictions["seed"].isin(seeds)]
    right = (here["label"] == here["predicted"]).astype(float)
    here = here.assign(right=right)
    tables = [
        here[here["strategy"] == name].pivot(index="seed", columns="picture", values="right").sort_index()
        for name in (strategy, baseline)
    ]
    difference = tables[0] - tables[1]
    if not tables[0].isna().equals(tables[1].isna()) or difference.isna().all(axis=1).any():
        raise ValueError(f"predictions: {strategy} and {baseline} were not tested on the same pictures with each seed")
    groups = here.drop_duplicates("picture").set_index("picture")["group"].loc[difference.columns]
    return difference.to_numpy(), groups.to_numpy()


def _same(column, value):
    return column.isna() if value is None or value != value else column == value
