"""What strategies that train little cost beside those that train everything, read in words. Without torch."""

import dataclasses

from tlkit.arguments import check_known
from tlkit.names import format_strategy

COSTS = ("trained_share", "memory_mib", "stored_mib")


@dataclasses.dataclass(frozen=True)
class TrainedShareChoice:
    """What to look at.

    Arguments
    ---------
    strategy: str
    cost: str
        One of `COSTS`, the axis across.
    score: str
        The axis upwards: a column of accuracies.
    """

    strategy: str
    cost: str = "trained_share"
    score: str = "accuracy"


@dataclasses.dataclass(frozen=True)
class TrainedShareSummary:
    """What a strategy costs and reaches; `summarise_trained_share` makes one.

    Arguments
    ---------
    choice: TrainedShareChoice
    most: str
        The strategy of the table that trains most, which the others' costs are set against.
    shares: dict of str to float
        For each of `COSTS` this strategy's, as a fraction of that of `most`.
    sentence: str
    """

    choice: TrainedShareChoice
    most: str
    shares: dict
    sentence: str


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedShares:
    """Costs and accuracies of strategies.

    Arguments
    ---------
    table: DataFrame
        A row a strategy: strategy, trained_share (of all parameters, a fraction), memory_mib (of a training step),
        stored_mib, and the scores.
    scores: tuple of str
        Columns of accuracies (fractions); each has its interval in two more, with _low and _high, NaN where there is
        none.

    Raises ValueError for columns that aren't there, no score, a strategy that stands twice, and no strategy.
    """

    table: object
    scores: tuple = ("accuracy",)

    def __post_init__(self):
        scores = (self.scores,) if isinstance(self.scores, str) else tuple(self.scores)
        object.__setattr__(self, "scores", scores)
        if not scores:
            raise ValueError("scores: none, expected the name of a column of accuracies at least")
        check_known("table", ["strategy", *COSTS], list(self.table))
        check_known("scores", [f"{score}{end}" for score in scores for end in ("", "_low", "_high")], list(self.table))
        if not len(self.table):
            raise ValueError("table: no row, expected one for each strategy")
        if self.table["strategy"].duplicated().any():
            twice = self.table["strategy"][self.table["strategy"].duplicated()].iloc[0]
            raise ValueError(f"table: {twice} stands twice, expected a row a strategy")

    @property
    def strategies(self):
        """Their names, in the order of the table."""
        return self.table["strategy"].tolist()

    def check(self, choice):
        """Raise ValueError for a choice that isn't there, with the nearest name."""
        check_known("strategy", [choice.strategy], self.strategies)
        check_known("cost", [choice.cost], list(COSTS))
        check_known("score", [choice.score], list(self.scores))


def summarise_trained_share(shares, choice):
    """Look up what a strategy costs, beside the one that trains most, and how well it does.

    Arguments
    ---------
    shares: TrainedShares
    choice: TrainedShareChoice

    Returns a `TrainedShareSummary`. Raises ValueError for a choice that isn't there.
    """
    shares.check(choice)
    rows = shares.table.set_index("strategy")
    row, most = rows.loc[choice.strategy], rows["trained_share"].idxmax()
    parts = {cost: float(row[cost] / rows.loc[most, cost]) for cost in COSTS}
    low, high = row[f"{choice.score}_low"], row[f"{choice.score}_high"]
    interval = "" if low != low else f" ({low:.2f} to {high:.2f})"
    beside = "" if choice.strategy == most else f", beside {format_strategy(most)}'s"
    memory = f"A step holds {row['memory_mib']:.0f} MiB"
    stored = f"{row['stored_mib']:.2f} MiB are stored"
    if beside:
        memory += f" ({parts['memory_mib']:.0%}{beside})"
        stored += f" ({parts['stored_mib']:.1%})"
    sentence = (
        f"{format_strategy(choice.strategy)} trains {row['trained_share']:.1%} of the parameters. {memory}; {stored}. "
        f"{choice.score.replace('_', ' ')}: {row[choice.score]:.2f}{interval}."
    )
    return TrainedShareSummary(choice, most, parts, sentence)
