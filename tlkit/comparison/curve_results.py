"""`LearningCurve`: how accuracy grows with the number of training pictures, from the rows of runs. Without torch."""

import dataclasses
import itertools
import math
import numbers

from tlkit.comparison.crossings import CROSSES, find_crossings
from tlkit.comparison.results import average_runs, name_folds
from tlkit.evaluation.gains import transfer_gain
from tlkit.evaluation.paired_gains import PairedGains, pair_arms

_PAIR = ["strategy", "baseline"]
_SCORES = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"]


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """Accuracy of strategies over shots; `tlkit.learning_curve` makes one. Displays in Jupyter as its tables.

    Arguments
    ---------
    runs, predictions: DataFrame
        As in `Comparison`: a row a run, and a row a picture and run.
    table: DataFrame
        strategy, shots, n_train, accuracy, accuracy_low, accuracy_high, balanced_accuracy, n_seeds, duration_s; means
        over seeds, intervals hold 95 %. n_train counts all training pictures: of a class that has fewer than `shots`,
        all are taken.
    differences: DataFrame
        strategy, baseline, shots, gain, gain_low, gain_high, n_seeds, verdict: each strategy against each that was
        named before it, paired by seed, as `transfer_gain` gives it. Each interval holds 95 % by itself.
    crossings: DataFrame
        strategy, baseline, shots, shots_low, shots_high, ahead_before, ahead_after, verdict: where one overtakes the
        other, as `tlkit.comparison.crossings.find_crossings` finds it. NaN where a bound is open, where nothing crosses
        and where it can't be told who is ahead.
    description: dict
        What was compared.
    """

    runs: object
    predictions: object
    table: object
    differences: object
    crossings: object
    description: dict

    def shots_for(self, accuracy):
        """Return how many training pictures a class each strategy needs for an accuracy.

        Read off the mean accuracy, between the measured numbers of shots as a straight line over their logarithm. The
        interval holds every number of shots at which the accuracy's own interval holds the wanted one.

        Arguments
        ---------
        accuracy: float
            Fraction, above 0 and below 1.

        Returns a DataFrame of strategy, shots, shots_low, shots_high: NaN where it isn't reached, was passed already
        with the smallest number of shots, or where a bound is open.
        """
        import pandas as pd

        if not isinstance(accuracy, numbers.Real) or not 0 < accuracy < 1:
            raise ValueError(f"accuracy: {accuracy!r}, expected a fraction above 0 and below 1")
        rows = []
        for strategy, arm in self.runs.groupby("strategy", sort=False):
            by_shots = arm.sort_values("seed").groupby("shots")
            pairs = [PairedGains(runs["accuracy"].to_numpy() - accuracy, name_folds(runs)) for _, runs in by_shots]
            first = find_crossings(pairs, list(by_shots.groups))[0]
            passed = pairs[0].mean >= 0
            rows.append((strategy, *([math.nan] * 3 if passed else (first.shots, first.shots_low, first.shots_high))))
        return pd.DataFrame(rows, columns=["strategy", "shots", "shots_low", "shots_high"])

    def draw(self, ax):
        """Draw the curves, with their intervals and crossings, on a matplotlib axis."""
        from tlkit.plots import draw_learning_curve

        return draw_learning_curve(self, ax)

    def _repr_html_(self):
        return f"{self.table.round(3).to_html(index=False)}{self.crossings.round(1).to_html(index=False)}"

    def __repr__(self):
        shots = self.table["shots"].drop_duplicates().tolist()
        strategies = self.table["strategy"].drop_duplicates().tolist()
        seeds = self.table["n_seeds"].max()
        text = f"LearningCurve({', '.join(strategies)}; {', '.join(map(str, shots))} shots; {seeds} seeds)"
        for row in self.crossings[self.crossings["verdict"] == CROSSES].itertuples():
            text += (
                f"\n{row.ahead_after} overtakes {row.ahead_before} at {row.shots:.1f} shots "
                f"({row.shots_low:.1f} to {row.shots_high:.1f})"
            )
        return text


def summarise_curve(runs, predictions, description):
    """Return the `LearningCurve` of runs.

    Arguments
    ---------
    runs, predictions: DataFrame
        As in `LearningCurve`; every strategy at every number of shots with every seed.
    description: dict
    """
    import pandas as pd

    # By shots alone, so that the strategies keep the order in which they were named.
    runs = runs.sort_values("shots", kind="stable", ignore_index=True)
    strategies = runs["strategy"].drop_duplicates().tolist()
    table = average_runs(runs)
    table = pd.concat([table[table["strategy"] == strategy] for strategy in strategies], ignore_index=True)
    table = table[["strategy", "shots", "n_train", *_SCORES, "n_seeds", "duration_s"]]
    differences = [
        transfer_gain(runs[runs["strategy"].isin(strategies[place:])], predictions, baseline, simultaneous=False)
        .sort_values("shots", kind="stable")
        .assign(baseline=baseline)
        for place, baseline in enumerate(strategies[:-1])
    ]
    columns = [*_PAIR, "shots", "gain", "gain_low", "gain_high", "n_seeds", "verdict"]
    differences = pd.concat(differences, ignore_index=True)[columns] if differences else pd.DataFrame(columns=columns)
    shots = sorted(runs["shots"].unique().tolist())
    rows = [
        _describe_crossing(crossing, strategy, baseline)
        for baseline, strategy in itertools.combinations(strategies, 2)
        for crossing in find_crossings([pair_arms(runs, predictions, strategy, baseline, n) for n in shots], shots)
    ]
    columns = [*_PAIR, "shots", "shots_low", "shots_high", "ahead_before", "ahead_after", "verdict"]
    return LearningCurve(runs, predictions, table, differences, pd.DataFrame(rows, columns=columns), description)


def _describe_crossing(crossing, strategy, baseline):
    ahead = {1: strategy, -1: baseline, 0: None}
    return (
        *(strategy, baseline, crossing.shots, crossing.shots_low, crossing.shots_high),
        *(ahead[crossing.sign_before], ahead[crossing.sign_after], crossing.verdict),
    )
