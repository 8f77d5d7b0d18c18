"""`LearningCurve`: how accuracy grows with the number of training pictures, from the rows of runs. Without torch."""

import dataclasses
import itertools
import math
from typing import Any

import pandas as pd

from tlkit.arguments import check_number
from tlkit.comparison.arms import average_runs
from tlkit.comparison.crossings import CROSSES, find_crossings
from tlkit.evaluation.gains import transfer_gain
from tlkit.evaluation.paired_gains import pair_arms, score_arm

_PAIR = ["strategy", "baseline"]
_SCORES = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"]


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """Accuracy of strategies over shots, as `tlkit.learning_curve` returns it; Jupyter shows the tables.

    Parameters
    ----------
    runs, predictions : DataFrame
        One row per run, and one per test picture and run, with the columns of `Comparison`.
    table : DataFrame
        One row per strategy and number of shots, with means over seeds:

        - strategy (str), shots (int): identify the row.
        - n_train (float): number of training pictures; a class that has fewer than `shots` gives all of them.
        - accuracy, accuracy_low, accuracy_high (float): mean accuracy and its 95 % interval.
        - balanced_accuracy (float), duration_s (float): mean balanced accuracy, and mean time of a run in seconds.
        - n_seeds (int): number of seeds.
    differences : DataFrame
        One row per number of shots and pair of strategies, each with every one before it:

        - strategy (str), baseline (str), shots (int): identify the row.
        - gain, gain_low, gain_high (float): as in `transfer_gain`; each interval holds with 95 % by itself.
        - n_seeds (int), verdict (str): number of seeds, and conclusion from the interval.
    crossings : DataFrame
        One row per change of the leading strategy, or one per pair if there is none:

        - strategy (str), baseline (str): the pair.
        - shots, shots_low, shots_high (float): where the curves cross, and the 95 % interval; NaN if unknown or open.
        - ahead_before, ahead_after (str): leading strategy on either side; None if it is unclear.
        - verdict (str): "crosses", "no crossing" or "can't tell".
    description : dict
        Backbone, image size, pictures and strategies that were compared.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> network = tl.load_backbone(weights=None, image_size_px=32)
    >>> curve = tl.learning_curve(network, images, ["hand_made"], shots=[1, 4], seeds=2, progress=False)
    >>> curve
    LearningCurve(hand_made; 1, 4 shots; 2 seeds)
    """

    runs: pd.DataFrame
    predictions: pd.DataFrame
    table: pd.DataFrame
    differences: pd.DataFrame
    crossings: pd.DataFrame
    description: dict

    def shots_for(self, accuracy: float) -> pd.DataFrame:
        """Return how many training pictures per class each strategy needs for an accuracy.

        Between measured numbers of shots, the mean accuracy is a straight line over their logarithm. The interval
        contains all numbers of shots at which the interval of the accuracy contains the wanted one.

        Parameters
        ----------
        accuracy : float
            Wanted accuracy, above 0 and below 1.

        Returns
        -------
        DataFrame
            One row per strategy:

            - strategy (str): name of the strategy.
            - shots (float): training pictures per class; NaN if the accuracy isn't reached, or always passed.
            - shots_low, shots_high (float): bounds of the 95 % interval; NaN if open.

        Raises
        ------
        ValueError
            If the accuracy isn't a fraction.
        """
        check_number("accuracy", accuracy, above=0, below=1)
        rows = []
        for strategy, arm in self.runs.groupby("strategy", sort=False):
            by_shots = arm.sort_values("seed").groupby("shots")
            pairs = [score_arm(runs, self.predictions, accuracy) for _, runs in by_shots]
            first = find_crossings(pairs, list(by_shots.groups))[0]
            passed = pairs[0].mean >= 0
            rows.append((strategy, *([math.nan] * 3 if passed else (first.shots, first.shots_low, first.shots_high))))
        return pd.DataFrame(rows, columns=["strategy", "shots", "shots_low", "shots_high"])

    def draw(self, ax: Any) -> Any:
        """Draw the curves with their intervals and crossings.

        Parameters
        ----------
        ax : matplotlib.axes.Axes
            Axes to draw on.

        Returns
        -------
        matplotlib.axes.Axes
            The same axes.
        """
        from tlkit.plots.curves import draw_learning_curve

        return draw_learning_curve(self, ax)

    def _repr_html_(self):
        """Return the tables of accuracies and crossings for Jupyter."""
        return f"{self.table.round(3).to_html(index=False)}{self.crossings.round(1).to_html(index=False)}"

    def __repr__(self):
        shots = self.table["shots"].drop_duplicates().tolist()
        strategies = self.table["strategy"].drop_duplicates().tolist()
        seeds = self.table["n_seeds"].max()
        text = f"LearningCurve({', '.join(strategies)}; {', '.join(map(str, shots))} shots; {seeds} seeds)"
        for row in self.crossings[self.crossings["verdict"] == CROSSES].itertuples():
            range_ = f"({row.shots_low:.1f} to {row.shots_high:.1f})"
            text += f"\n{row.ahead_after} overtakes {row.ahead_before} at {row.shots:.1f} shots {range_}"
        return text


def summarise_curve(runs, predictions, description):
    """Return the `LearningCurve` of runs that have every strategy at every number of shots with every seed."""
    # By shots alone, so that the strategies keep the order in which they were named.
    runs = runs.sort_values("shots", kind="stable", ignore_index=True)
    strategies = runs["strategy"].drop_duplicates().tolist()
    table = average_runs(runs, predictions)
    table = pd.concat([table[table["strategy"] == strategy] for strategy in strategies], ignore_index=True)
    table = table[["strategy", "shots", "n_train", *_SCORES, "n_seeds", "duration_s"]]
    differences = [
        transfer_gain(runs[runs["strategy"].isin(strategies[index:])], predictions, baseline, simultaneous=False)
        .sort_values("shots", kind="stable")
        .assign(baseline=baseline)
        for index, baseline in enumerate(strategies[:-1])
    ]
    columns = [*_PAIR, "shots", "gain", "gain_low", "gain_high", "n_seeds", "verdict"]
    differences = pd.concat(differences, ignore_index=True)[columns] if differences else pd.DataFrame(columns=columns)
    shots = sorted(runs["shots"].unique().tolist())
    rows = []
    for baseline, strategy in itertools.combinations(strategies, 2):
        ahead = {1: strategy, -1: baseline, 0: None}
        for one in find_crossings([pair_arms(runs, predictions, strategy, baseline, n) for n in shots], shots):
            leaders = ahead[one.sign_before], ahead[one.sign_after]
            rows.append((strategy, baseline, one.shots, one.shots_low, one.shots_high, *leaders, one.verdict))
    columns = [*_PAIR, "shots", "shots_low", "shots_high", "ahead_before", "ahead_after", "verdict"]
    return LearningCurve(runs, predictions, table, differences, pd.DataFrame(rows, columns=columns), description)
