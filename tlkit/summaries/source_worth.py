"""What a source is worth at a weight and a number of shots: its gain, seed by seed and class by class, in words."""

import dataclasses
import functools

import numpy as np

from tlkit.adaptation.pair_results import BASELINE
from tlkit.adaptation.target_shots import ALONE, POOLED, name_arm
from tlkit.arguments import check_columns, check_known
from tlkit.evaluation.gains import transfer_gain
from tlkit.summaries.comparison import format_gain

_COLUMNS = {"strategy", "source", "method", "weight", "shots", "seed", "fold", "accuracy"}


@dataclasses.dataclass(frozen=True)
class SourceChoice:
    """What to look at: a source, its weight (a float, or "pooled"), and a number of shots."""

    source: str
    weight: object
    shots: int


class SourceWorths:
    """Runs with and without a source, at several weights and numbers of shots, to be read one by one.

    Arguments
    ---------
    runs, predictions: DataFrame
        As `tlkit.adaptation.compare_target_shots` returns them; of its methods "source_only" is read.

    Raises ValueError for columns that aren't there, or no source.
    """

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

    def check(self, choice):
        """Raise ValueError for a choice that isn't there."""
        check_known("source", [choice.source], self.sources)
        for name, value, known in (("weight", choice.weight, self.weights), ("shots", choice.shots, self.shots)):
            if value not in known:
                raise ValueError(f"{name}: {value!r} was not measured, expected one of {', '.join(map(str, known))}")

    def _find_gains(self, source):
        """Return the table of `transfer_gain` of one source, whose intervals hold together."""
        of_source = (self.runs["source"] == source) & (self.runs["method"] == BASELINE)
        return transfer_gain(self.runs[of_source | (self.runs["strategy"] == ALONE)], self.predictions, ALONE)

    def count_right(self, strategy, shots):
        """Return a DataFrame by class: n (pictures tested, of all seeds) and right (share)."""
        rows = self.predictions
        rows = rows[(rows["strategy"] == strategy) & (rows["shots"] == shots)]
        right = (rows["label"] == rows["predicted"]).groupby(rows["label"])
        return right.agg(n="size", right="mean")


@dataclasses.dataclass(frozen=True, eq=False)
class SourceSummary:
    """What a choice comes to; `summarise_source` makes one.

    Arguments
    ---------
    choice: SourceChoice
    gains: DataFrame
        Of all weights and shots of the source, as `transfer_gain` returns it.
    row: Series
        That of the choice.
    by_seed: (n_seeds,) float
        Gains, in the order of seeds.
    alone: float
        Accuracy of the shots alone.
    recalls: DataFrame
        A row a class: class, n, alone, with_source (shares labelled right).
    """

    choice: SourceChoice
    gains: object
    row: object
    by_seed: np.ndarray
    alone: float
    recalls: object

    @property
    def sentence(self):
        """All of it in words."""
        changes = self.recalls["with_source"] - self.recalls["alone"]
        worst, best = (self.recalls.loc[place] for place in (changes.idxmin(), changes.idxmax()))
        classes = [
            f"{row['class']} {word} most, {row['alone']:.2f} → {row['with_source']:.2f}"
            for row, word in ((best, "gains"), (worst, "loses"))
            if (row["with_source"] - row["alone"]) * (1 if word == "gains" else -1) > 0
        ]
        said = f" {'; '.join(classes)}." if classes else ""
        return (
            f"{format_source(self.choice)}: accuracy {self.alone + self.row['gain']:.2f}. {format_gain(self.row)}{said}"
        )


def format_source(choice):
    """Return a choice in words.

    >>> format_source(SourceChoice("sketch", 0.25, 1)), format_source(SourceChoice("sketch", "pooled", 5))
    ('sketch at 0.25 times the weight of 1 shot a class', 'sketch pooled with 5 shots a class')
    """
    shots = f"{choice.shots} shot{'s' * (choice.shots > 1)} a class"
    if choice.weight == POOLED:
        return f"{choice.source} pooled with {shots}"
    return f"{choice.source} at {choice.weight:g} times the weight of {shots}"


def summarise_source(worths, choice):
    """Read what a source was worth at a weight and a number of shots.

    Arguments
    ---------
    worths: SourceWorths
    choice: SourceChoice

    Returns a `SourceSummary`. Raises ValueError for a choice that wasn't measured.
    """
    worths.check(choice)
    gains = worths.find_gains(choice.source)
    strategy = name_arm(choice.source, BASELINE, choice.weight)
    row = gains[(gains["strategy"] == strategy) & (gains["shots"] == choice.shots)].iloc[0]
    runs = worths.runs[worths.runs["shots"] == choice.shots].pivot(index="seed", columns="strategy", values="accuracy")
    before, after = (worths.count_right(name, choice.shots) for name in (ALONE, strategy))
    recalls = before.rename(columns={"right": "alone"}).assign(with_source=after["right"])
    recalls = recalls.rename_axis("class").reset_index()
    by_seed = (runs[strategy] - runs[ALONE]).to_numpy()
    return SourceSummary(choice, gains, row, by_seed, float(runs[ALONE].mean()), recalls)
