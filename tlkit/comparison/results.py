"""`Comparison`: strategies side by side, from the rows of their runs. Without torch."""

import dataclasses

from tlkit.evaluation.gains import transfer_gain
from tlkit.evaluation.paired_gains import PairedGains


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Strategies side by side; `tlkit.compare` makes one. Displays in Jupyter as its table.

    Arguments
    ---------
    runs: DataFrame
        strategy, shots, seed, fold, accuracy, balanced_accuracy, n_train, n_steps, duration_s, peak_memory_mib.
    predictions: DataFrame
        strategy, shots, seed, fold, picture, group, label, predicted, probability: a row a picture and run.
    table: DataFrame
        strategy, shots, accuracy, accuracy_low, accuracy_high, balanced_accuracy, gain, gain_low, gain_high, n_seeds,
        verdict, n_seeds_to_tell, duration_s, peak_memory_mib, n_train, n_steps, n_configurations; scores are means over
        seeds. Intervals of an accuracy hold 95 % each; those of the gains, which are against `baseline`, hold 95 % all
        together, as `transfer_gain` says, so that no verdict comes from having looked at many.
    baseline: str
    description: dict
        What was compared: backbone, image_size_px, pictures, baseline.
    """

    runs: object
    predictions: object
    table: object
    baseline: str
    description: dict

    @property
    def verdicts(self):
        """{(strategy, shots): verdict} against the baseline."""
        arms = self.table[self.table["strategy"] != self.baseline]
        return {(row.strategy, row.shots): row.verdict for row in arms.itertuples()}

    def draw(self, ax):
        """Draw accuracies with their intervals on a matplotlib axis."""
        from tlkit.plots import draw_comparison

        return draw_comparison(self, ax)

    def _repr_html_(self):
        return self.table.round(3).to_html(index=False)

    def __repr__(self):
        return self.table.round(3).to_string(index=False)


def summarise(run_rows, prediction_tables, baseline, description):
    """Return the `Comparison` of runs: a list of dicts, and a list of DataFrames of predictions."""
    import pandas as pd

    runs = pd.DataFrame(run_rows)
    predictions = pd.concat(prediction_tables, ignore_index=True)
    gains = transfer_gain(runs, predictions, baseline).drop(columns=["baseline", "n_seeds", "n_pictures_to_tell"])
    table = average_runs(runs).merge(gains, on=["strategy", "shots"], how="left", sort=False)
    # Settings are fixed beforehand, the same for every set of pictures: none is chosen by its result.
    table["n_configurations"] = 1
    table["verdict"] = table["verdict"].fillna("baseline")
    scores = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "gain", "gain_low", "gain_high"]
    costs = ["duration_s", "peak_memory_mib", "n_train", "n_steps", "n_configurations"]
    table = table[["strategy", "shots", *scores, "n_seeds", "verdict", "n_seeds_to_tell", *costs]]
    return Comparison(runs, predictions, table, baseline, description)


def name_folds(runs):
    """Return the folds of runs, for `PairedGains`; None where all have one, whose pictures are then taken as they are.

    Arguments
    ---------
    runs: DataFrame
        With a column fold.
    """
    return runs["fold"].to_numpy() if runs["fold"].nunique() > 1 else None


def average_runs(runs):
    """Average over seeds: a row a strategy and number of shots, in the order of the runs.

    Arguments
    ---------
    runs: DataFrame
        As in `Comparison`.

    Returns a DataFrame of strategy, shots, accuracy with its 95 % interval over seeds (accuracy_low, accuracy_high),
    balanced_accuracy, duration_s, peak_memory_mib (the largest), n_train, n_steps, n_seeds.
    """
    import pandas as pd

    rows = []
    for (strategy, shots), arm in runs.groupby(["strategy", "shots"], sort=False):
        low, high = PairedGains(arm["accuracy"].to_numpy(), name_folds(arm)).interval()
        means = arm.mean(numeric_only=True)
        rows.append(
            {
                "strategy": strategy,
                "shots": shots,
                "accuracy": means["accuracy"],
                "accuracy_low": low,
                "accuracy_high": high,
                "balanced_accuracy": means["balanced_accuracy"],
                "duration_s": means["duration_s"],
                "peak_memory_mib": arm["peak_memory_mib"].max(),
                "n_train": means["n_train"],
                "n_steps": means["n_steps"],
                "n_seeds": arm["seed"].nunique(),
            }
        )
    return pd.DataFrame(rows)
