"""Transfer gains with their intervals, and what may be said of them: the verdicts. Without torch."""

import dataclasses
import warnings

import numpy as np

from tlkit.evaluation.intervals import t_interval, two_way_interval

MARGIN = 0.02
VERDICTS = ("helps", "harms", "no difference that matters", "can't tell")
_RUN_COLUMNS = {"strategy", "shots", "seed", "fold", "accuracy"}
_PREDICTION_COLUMNS = {"strategy", "shots", "seed", "picture", "group", "label", "predicted"}


def give_verdict(low, high, margin=MARGIN):
    """Return what an interval of a transfer gain allows to say.

    Arguments
    ---------
    low, high: float
        NaN where there is no interval.
    margin: float
        A gain within ± `margin` makes no difference that matters.

    >>> give_verdict(0.05, 0.11), give_verdict(-0.01, 0.015), give_verdict(-0.04, 0.09)
    ('helps', 'no difference that matters', "can't tell")
    """
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    if -margin <= low and high <= margin:
        return "no difference that matters"
    return "can't tell"


def transfer_gain(runs, predictions=None, baseline="from_scratch"):
    """Compare each arm with a baseline, paired by seed: the accuracy of one minus that of the other.

    Where seeds are tested on different folds, the interval is Student's t over seeds. Where all are tested on one set,
    the pictures of that set are a sample too, and the interval takes seeds and groups of pictures into account; this
    needs `predictions`.

    Arguments
    ---------
    runs: DataFrame
        strategy, shots, seed, fold, accuracy: a row a run.
    predictions: DataFrame, optional
        strategy, shots, seed, picture, group, label, predicted: a row a picture and run.
    baseline: str
        The strategy that the others are compared with.

    Returns a DataFrame of strategy, shots, gain, gain_low, gain_high, n_seeds, verdict (see `VERDICTS`), the arms in
    the order of `runs`, without the baseline.

    Raises ValueError for columns or a baseline that isn't there, or where an interval needs predictions.
    """
    import pandas as pd

    _check_columns("runs", runs, _RUN_COLUMNS)
    if baseline not in set(runs["strategy"]):
        raise ValueError(f"baseline: {baseline!r} is not among the runs, which have {sorted(set(runs['strategy']))}")
    rows = []
    for (strategy, shots), _ in runs.groupby(["strategy", "shots"], sort=False, dropna=False):
        if strategy == baseline:
            continue
        paired = pair_arms(runs, predictions, strategy, baseline, shots)
        low, high = paired.interval()
        verdict = give_verdict(low, high)
        rows.append((strategy, shots, paired.gains.mean(), low, high, len(paired.gains), verdict))
    return pd.DataFrame(rows, columns=["strategy", "shots", "gain", "gain_low", "gain_high", "n_seeds", "verdict"])


@dataclasses.dataclass(frozen=True, eq=False)
class PairedGains:
    """Gains of one arm over another, seed by seed; `pair_arms` makes them.

    Arguments
    ---------
    gains: (n_seeds,) float
        Accuracy of the one minus that of the other.
    differences: (n_seeds, n_pictures) float, or None
        The same picture by picture, where all seeds were tested on one set: the pictures are then a sample too.
    groups: (n_pictures,) str, or None
    """

    gains: np.ndarray
    differences: np.ndarray | None = None
    groups: np.ndarray | None = None

    def interval(self):
        """Return (low, high) of the mean gain at 95 %; NaN where there are fewer than two seeds."""
        if self.differences is None:
            return t_interval(self.gains)
        return two_way_interval(self.differences, self.groups)

    def mix(self, other, share):
        """Return the gains that lie a share of the way (0 to 1) towards others of the same seeds and pictures."""
        gains = (1 - share) * self.gains + share * other.gains
        if self.differences is None:
            return PairedGains(gains)
        return PairedGains(gains, (1 - share) * self.differences + share * other.differences, self.groups)


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
    gains = (paired["accuracy"] - paired["accuracy_baseline"]).to_numpy()
    if len(gains) > 1 and paired["fold"].nunique() == 1:
        if predictions is None:
            raise ValueError(
                "predictions: None, but all seeds were tested on one fold, so that the interval needs them: pass "
                "comparison.predictions, or test on several folds"
            )
        return PairedGains(gains, *_differences(predictions, strategy, baseline, shots, paired["seed"]))
    counts = paired["fold"].value_counts()
    if counts.min() != counts.max():
        warnings.warn(
            f"{strategy}: folds are used unequally ({counts.to_dict()}), so some pictures weigh more: take a multiple "
            "of the number of folds as seeds",
            stacklevel=3,
        )
    return PairedGains(gains)


def _differences(predictions, strategy, baseline, shots, seeds):
    _check_columns("predictions", predictions, _PREDICTION_COLUMNS)
    here = predictions[_same(predictions["shots"], shots) & predictions["seed"].isin(seeds)]
    right = (here["label"] == here["predicted"]).astype(float)
    here = here.assign(right=right)
    tables = [
        here[here["strategy"] == name].pivot(index="seed", columns="picture", values="right").sort_index()
        for name in (strategy, baseline)
    ]
    difference = tables[0] - tables[1]
    if difference.isna().any(axis=None):
        raise ValueError(f"predictions: {strategy} and {baseline} were not tested on the same pictures with each seed")
    groups = here.drop_duplicates("picture").set_index("picture")["group"].loc[difference.columns]
    return difference.to_numpy(), groups.to_numpy()


def _same(column, value):
    return column.isna() if value is None or value != value else column == value


def _check_columns(argument, table, wanted):
    if missing := sorted(wanted - set(table.columns)):
        raise ValueError(f"{argument}: has no {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
