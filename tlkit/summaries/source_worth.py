"""Gain from a source at a weight and a number of shots: by seed and class, and in words."""

import collections
import dataclasses
import functools

import numpy as np

from tlkit.adaptation.pair_results import BASELINE
from tlkit.adaptation.target_shots import ALONE, POOLED, name_arm
from tlkit.arguments import check_columns
from tlkit.evaluation.gains import transfer_gain
from tlkit.summaries.comparison import format_gain

_COLUMNS = {"strategy", "source", "method", "weight", "shots", "seed", "fold", "accuracy"}
# A source, its weight (a float, or "pooled"), and a number of shots.
SourceChoice = collections.namedtuple("SourceChoice", "source weight shots")


class SourceGains:
    """Runs with and without a source, at several weights and shots, as `compare_target_shots` returns them."""

    def __init__(self, runs, predictions):
        check_columns("runs", runs, _COLUMNS)
        self.runs, self.predictions = runs, predictions
        arms = runs[runs["method"] == BASELINE]
        if arms.empty:
            raise ValueError("runs: without a source, expected those of compare_target_shots")
        self.sources = arms["source"].drop_duplicates().tolist()
        self.weights = arms["weight"].drop_duplicates().tolist()
        self.shots = sorted(arms["shots"].unique().tolist())
        self.n_seeds = runs["seed"].nunique()
        self.find_gains = functools.cache(self._find_gains)

    def _find_gains(self, source):
        """Return the table of `transfer_gain` of one source, whose intervals hold simultaneously."""
        of_source = (self.runs["source"] == source) & (self.runs["method"] == BASELINE)
        return transfer_gain(self.runs[of_source | (self.runs["strategy"] == ALONE)], self.predictions, ALONE)

    def find_recalls(self, strategy, shots):
        """Return a DataFrame by class: n (test pictures of all seeds) and recall."""
        rows = self.predictions
        rows = rows[(rows["strategy"] == strategy) & (rows["shots"] == shots)]
        right = (rows["label"] == rows["predicted"]).groupby(rows["label"])
        return right.agg(n="size", recall="mean")


@dataclasses.dataclass(frozen=True, eq=False)
class SourceSummary:
    """Gain and recalls of a choice; `summarise_source` makes one."""

    choice: SourceChoice
    gains: object  # DataFrame of `transfer_gain`, all weights and shots of the source
    row: object  # Series: the row of the choice
    seeds: list  # of int
    gains_by_seed: np.ndarray  # (n_seeds,) float, in the order of seeds
    target_only: float  # accuracy without a source
    recalls: object  # DataFrame by class: class, n, target_only, with_source

    @property
    def sentence(self):
        """The summary in words."""
        changes = self.recalls["with_source"] - self.recalls["target_only"]
        worst, best = (self.recalls.loc[row] for row in (changes.idxmin(), changes.idxmax()))
        classes = [
            f"{row['class']} {verb} most, {row['target_only']:.2f} → {row['with_source']:.2f}"
            for row, verb in ((best, "gains"), (worst, "loses"))
            if (row["with_source"] - row["target_only"]) * (1 if verb == "gains" else -1) > 0
        ]
        accuracy = self.target_only + self.row["gain"]
        by_class = f" {'; '.join(classes)}." if classes else ""
        return f"{format_source(self.choice)}: accuracy {accuracy:.2f}. {format_gain(self.row)}{by_class}"


def format_source(choice):
    """Return a `SourceChoice` in words."""
    shots = f"{choice.shots} shot{'s' * (choice.shots > 1)} per class"
    if choice.weight == POOLED:
        return f"{choice.source} pooled with {shots}"
    return f"{choice.source} at {choice.weight:g} times the weight of {shots}"


def summarise_source(source_gains, choice):
    """Return the `SourceSummary` of a choice of `SourceGains`."""
    gains = source_gains.find_gains(choice.source)
    strategy = name_arm(choice.source, BASELINE, choice.weight)
    row = gains[(gains["strategy"] == strategy) & (gains["shots"] == choice.shots)].iloc[0]
    runs = source_gains.runs[source_gains.runs["shots"] == choice.shots]
    runs = runs.pivot(index="seed", columns="strategy", values="accuracy")
    before, after = (source_gains.find_recalls(name, choice.shots) for name in (ALONE, strategy))
    recalls = before.rename(columns={"recall": "target_only"}).assign(with_source=after["recall"])
    recalls = recalls.rename_axis("class").reset_index()
    by_seed = (runs[strategy] - runs[ALONE]).to_numpy()
    return SourceSummary(choice, gains, row, runs.index.tolist(), by_seed, float(runs[ALONE].mean()), recalls)
